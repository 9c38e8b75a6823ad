# What the worker may do, as IAM statements by the service that is called. The one source of the execution role's policy
# and of the endpoint policies, so that neither can allow what the other forbids. Each line is a call that the worker
# makes: docs/operations.md, "Permissions". No resources, no provider.

locals {
  bedrock_arn = "arn:${var.partition}:bedrock"
  # us., eu., global., ...: an inference profile, which calls the model in whatever region has room.
  profile = "/^(us|us-gov|eu|apac|jp|au|ca|global)\\./"
  profile_arns = {
    for model in var.embedding_models : replace(model, local.profile, "") => "${local.bedrock_arn}:${var.region}:${var.account_id}:inference-profile/${model}"
    if model != replace(model, local.profile, "")
  }
  # Profiles of the account itself: what each was made for is fixed, so where it is not known here any model may be
  # called through it.
  application_profiles = {
    for model in var.embedding_models : model => lookup(var.model_families, model, "*") if strcontains(model, ":application-inference-profile/")
  }
  # ARNs that are allowed as they are, and those of models that are called by their own ids.
  own_arns = [for model in var.embedding_models : startswith(model, "arn:") ? model : "${local.bedrock_arn}:${var.region}::foundation-model/${model}" if model == replace(model, local.profile, "")]
  behind_profiles = concat(
    [for base_model, arn in local.profile_arns : { arn = arn, model = base_model }],
    [for arn, base_model in local.application_profiles : { arn = arn, model = base_model }],
  )
  invoke_model = concat([{
    Sid      = "Embed"
    Effect   = "Allow"
    Action   = ["bedrock:InvokeModel"]
    Resource = concat(values(local.profile_arns), local.own_arns)
    }], [for profiles in length(local.behind_profiles) > 0 ? [local.behind_profiles] : [] : {
    # A profile is allowed only together with the model in every region that it may choose; the condition keeps the
    # wildcard to calls through these profiles.
    Sid    = "EmbedThroughProfiles"
    Effect = "Allow"
    Action = ["bedrock:InvokeModel"]
    Resource = flatten([for base_model in distinct(profiles[*].model) : [
      "${local.bedrock_arn}:*::foundation-model/${base_model}", "${local.bedrock_arn}:::foundation-model/${base_model}",
    ]])
    Condition = { StringEquals = { "bedrock:InferenceProfileArn" = profiles[*].arn } }
  }])

  # By the last part of the endpoint's name, com.amazonaws.REGION.SERVICE.
  by_service = {
    sqs = [{
      Sid      = "TakeJobs"
      Effect   = "Allow"
      Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"]
      Resource = [var.queue_arn]
      }, {
      Sid      = "DeadLetter"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = [var.dead_letter_queue_arn]
    }]
    dynamodb = [{
      Sid      = "ReadAndWriteRecords"
      Effect   = "Allow"
      Action   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem"]
      Resource = [var.table_arn]
    }]
    s3 = [{
      Sid      = "ReadCatalogs"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = [for prefix in var.catalog_prefixes : "${var.bucket_arn}/${prefix}/*"]
      }, {
      # Without it S3 answers "forbidden" for what is not there. (A condition on the prefix would not count for that.)
      Sid      = "TellNotThereFromForbidden"
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = [var.bucket_arn]
      }, {
      Sid      = "SpillLargeResults"
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = ["${var.bucket_arn}/results/*"]
    }]
    bedrock-runtime = local.invoke_model
    logs = [{
      Sid      = "Log"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${var.log_group_arn}:*"]
    }]
    xray = [for tracing in var.tracing ? [true] : [] : {
      # X-Ray has no resources to name.
      Sid      = "Trace"
      Effect   = "Allow"
      Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      Resource = ["*"]
    }]
  }

  # Who signs what the worker calls itself is the execution role. Logs and traces are sent by Lambda's own agent on the
  # instance, about whose principal AWS promises nothing: their endpoints are limited by resource and action only.
  signed_by_the_role = ["sqs", "dynamodb", "s3", "bedrock-runtime"]
  endpoint_policies = {
    for service, statements in local.by_service : service => jsonencode({
      Version = "2012-10-17"
      Statement = [for statement in statements : merge(statement, { Principal = "*" }, {
        for name, condition in {
          Condition = merge(
            try(statement.Condition, {}),
            contains(local.signed_by_the_role, service) ? { ArnEquals = { "aws:PrincipalArn" = var.execution_role_arn } } : {},
          )
        } : name => condition if length(condition) > 0
      })]
    }) if length(statements) > 0
  }
}
