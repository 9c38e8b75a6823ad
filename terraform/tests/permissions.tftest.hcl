# The worker's permissions, read as the policies that IAM and the endpoints are given.

variables {
  partition             = "aws"
  region                = "us-east-1"
  account_id            = "123456789012"
  execution_role_arn    = "arn:aws:iam::123456789012:role/nearline-execution"
  queue_arn             = "arn:aws:sqs:us-east-1:123456789012:nearline-jobs"
  dead_letter_queue_arn = "arn:aws:sqs:us-east-1:123456789012:nearline-dead-letters"
  table_arn             = "arn:aws:dynamodb:us-east-1:123456789012:table/nearline-results"
  bucket_arn            = "arn:aws:s3:::nearline-bucket"
  catalog_prefixes      = ["catalog"]
  log_group_arn         = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/nearline"
  embedding_models      = ["amazon.nova-2-multimodal-embeddings-v1:0"]
  tracing               = true
}

run "each_call_of_the_worker_and_no_other" {
  command = plan
  module {
    source = "./modules/permissions"
  }

  assert {
    condition = { for statement in output.statements : jsondecode(statement).Sid => { (join(" ", jsondecode(statement).Resource)) = jsondecode(statement).Action } } == {
      Embed = {
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-2-multimodal-embeddings-v1:0" = ["bedrock:InvokeModel"]
      }
      ReadAndWriteRecords = {
        "arn:aws:dynamodb:us-east-1:123456789012:table/nearline-results" = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem"]
      }
      Log = {
        "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/nearline:*" = ["logs:CreateLogStream", "logs:PutLogEvents"]
      }
      ReadCatalogs              = { "arn:aws:s3:::nearline-bucket/catalog/*" = ["s3:GetObject"] }
      TellNotThereFromForbidden = { "arn:aws:s3:::nearline-bucket" = ["s3:ListBucket"] }
      SpillLargeResults         = { "arn:aws:s3:::nearline-bucket/results/*" = ["s3:PutObject"] }
      TakeJobs = {
        "arn:aws:sqs:us-east-1:123456789012:nearline-jobs" = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"]
      }
      DeadLetter = { "arn:aws:sqs:us-east-1:123456789012:nearline-dead-letters" = ["sqs:SendMessage"] }
      Trace      = { "*" = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"] }
    }
    error_message = "The execution role must allow exactly these actions on exactly these resources."
  }

  assert {
    condition     = alltrue([for statement in output.statements : jsondecode(statement).Effect == "Allow" && !strcontains(join(" ", jsondecode(statement).Action), "*")])
    error_message = "No action may be a wildcard."
  }

  assert {
    condition     = alltrue([for statement in output.statements : jsondecode(statement).Sid == "Trace" || !contains(jsondecode(statement).Resource, "*")])
    error_message = "Only X-Ray, which has no resources, may be allowed on *."
  }
}

run "endpoints_allow_what_the_role_allows_and_only_to_it" {
  command = plan
  module {
    source = "./modules/permissions"
  }

  assert {
    condition     = toset(keys(output.endpoint_policies)) == toset(["bedrock-runtime", "dynamodb", "logs", "s3", "sqs", "xray"])
    error_message = "There must be a policy for each service that the worker calls."
  }

  assert {
    condition = toset(flatten([for policy in output.endpoint_policies : [for statement in jsondecode(policy).Statement : statement.Action]])) == toset(
    flatten([for statement in output.statements : jsondecode(statement).Action]))
    error_message = "Endpoint policies and role must allow the same actions."
  }

  assert {
    condition = alltrue(flatten([
      for service in ["bedrock-runtime", "dynamodb", "s3", "sqs"] : [
        for statement in jsondecode(output.endpoint_policies[service]).Statement :
        statement.Condition.ArnEquals["aws:PrincipalArn"] == var.execution_role_arn
      ]
    ]))
    error_message = "Endpoints of the services that the worker itself calls must admit only its role."
  }

  assert {
    condition     = alltrue(flatten([for service in ["logs", "xray"] : [for statement in jsondecode(output.endpoint_policies[service]).Statement : !can(statement.Condition)]]))
    error_message = "Lambda's own agent sends logs and traces: no condition may keep it from that."
  }
}

run "a_profile_needs_the_model_behind_it" {
  command = plan
  module {
    source = "./modules/permissions"
  }
  variables {
    embedding_models = ["us.cohere.embed-v4:0"]
  }

  assert {
    condition = anytrue([for statement in output.statements : try(
    jsondecode(statement).Sid == "Embed" && jsondecode(statement).Resource[0] == "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.cohere.embed-v4:0", false)])
    error_message = "The profile itself must be allowed."
  }

  assert {
    condition = anytrue([for statement in output.statements : try(
      jsondecode(statement).Sid == "EmbedThroughProfiles"
      && jsondecode(statement).Resource == ["arn:aws:bedrock:*::foundation-model/cohere.embed-v4:0", "arn:aws:bedrock:::foundation-model/cohere.embed-v4:0"]
    && jsondecode(statement).Condition.StringEquals["bedrock:InferenceProfileArn"] == ["arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.cohere.embed-v4:0"], false)])
    error_message = "The model must be allowed in every region, and only through the profile."
  }
}

run "an_application_profile_needs_the_model_behind_it_and_a_provisioned_model_nothing_else" {
  command = plan
  module {
    source = "./modules/permissions"
  }
  variables {
    embedding_models = [
      "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
      "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/xyz789",
    ]
    model_families = { "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123" = "amazon.titan-embed-text-v2:0" }
  }

  assert {
    condition     = anytrue([for statement in output.statements : try(jsondecode(statement).Sid == "Embed" && toset(jsondecode(statement).Resource) == toset(var.embedding_models), false)])
    error_message = "Both must be allowed by their own ARNs."
  }

  assert {
    condition = anytrue([for statement in output.statements : try(
      jsondecode(statement).Sid == "EmbedThroughProfiles"
      && jsondecode(statement).Resource == ["arn:aws:bedrock:*::foundation-model/amazon.titan-embed-text-v2:0", "arn:aws:bedrock:::foundation-model/amazon.titan-embed-text-v2:0"]
    && jsondecode(statement).Condition.StringEquals["bedrock:InferenceProfileArn"] == ["arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"], false)])
    error_message = "The model must be allowed through the application's profile, and through that alone."
  }
}

run "an_application_profile_of_the_version_before_is_still_allowed" {
  command = plan
  module {
    source = "./modules/permissions"
  }
  variables {
    embedding_models = ["cohere.embed-english-v3", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"]
  }

  assert {
    condition = anytrue([for statement in output.statements : try(
      jsondecode(statement).Sid == "EmbedThroughProfiles" && contains(jsondecode(statement).Resource, "arn:aws:bedrock:*::foundation-model/*")
    && jsondecode(statement).Condition.StringEquals["bedrock:InferenceProfileArn"] == ["arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"], false)])
    error_message = "Whatever model is behind it must be allowed through it alone."
  }
}

run "the_model_and_catalog_of_the_version_before_are_still_allowed" {
  command = plan
  module {
    source = "./modules/permissions"
  }
  variables {
    embedding_models = ["us.cohere.embed-v4:0", "amazon.titan-embed-text-v2:0"]
    catalog_prefixes = ["catalog-2", "catalog"]
  }

  assert {
    condition = anytrue([for statement in output.statements : try(jsondecode(statement).Sid == "Embed" && toset(jsondecode(statement).Resource) == toset([
      "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.cohere.embed-v4:0", "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0",
    ]), false)])
    error_message = "Both models must be allowed."
  }

  assert {
    condition = anytrue([for statement in output.statements : try(
    jsondecode(statement).Sid == "ReadCatalogs" && jsondecode(statement).Resource == ["arn:aws:s3:::nearline-bucket/catalog-2/*", "arn:aws:s3:::nearline-bucket/catalog/*"], false)])
    error_message = "Both prefixes must be allowed."
  }
}

run "without_tracing_there_is_no_wildcard_at_all" {
  command = plan
  module {
    source = "./modules/permissions"
  }
  variables {
    tracing = false
  }

  assert {
    condition     = alltrue([for statement in output.statements : !contains(jsondecode(statement).Resource, "*")]) && !contains(keys(output.endpoint_policies), "xray")
    error_message = "Without tracing nothing may be allowed on *, and X-Ray needs no endpoint."
  }
}
