# The instances that Lambda runs the worker on. Functions of one provider share instances, in containers, which separate
# workloads but are no security boundary: the provider is. Made only for nearline unless an existing one is given.

locals {
  create = var.existing_arn == null
  # Network, processors and key of a provider cannot be changed, and one with function versions cannot be deleted: with
  # other ones another provider is made, under another name, and the function moves before the old one goes.
  name = "${var.name}-${substr(sha1(jsonencode([var.network_key, var.architecture, var.allowed_instance_types, var.excluded_instance_types, var.key_mode])), 0, 6)}"
}

# Lambda's own account of the instances. It would make the group itself, and keep it for ever.
resource "aws_cloudwatch_log_group" "provider" {
  count             = local.create ? 1 : 0
  name              = "/aws/lambda/capacity-provider/${local.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.encrypted ? var.kms_key_arn : null
}

resource "aws_iam_role" "operator" {
  count = local.create ? 1 : 0
  # Roles are known in all regions.
  name                 = "${var.name}-operator-${var.region}"
  description          = "Lambda starts and ends the instances of ${var.name} with it"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

# AWS's own policy: what Lambda needs to run instances may change, and it follows.
resource "aws_iam_role_policy_attachment" "operator" {
  count      = local.create ? 1 : 0
  role       = aws_iam_role.operator[0].name
  policy_arn = "arn:${var.partition}:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator"
}

resource "aws_iam_role_policy" "volumes" {
  count = local.create && var.encrypted ? 1 : 0
  name  = "encrypted-volumes"
  role  = aws_iam_role.operator[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "EncryptVolumes"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
        Resource = [var.kms_key_arn]
      },
      {
        Sid       = "GrantVolumes"
        Effect    = "Allow"
        Action    = ["kms:CreateGrant"]
        Resource  = [var.kms_key_arn]
        Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
      },
    ]
  })
}

resource "aws_lambda_capacity_provider" "this" {
  count       = local.create ? 1 : 0
  name        = local.name
  kms_key_arn = var.encrypted ? var.kms_key_arn : null

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
  }

  permissions_config {
    capacity_provider_operator_role_arn = aws_iam_role.operator[0].arn
  }

  instance_requirements = [{
    architectures           = [var.architecture]
    allowed_instance_types  = var.allowed_instance_types
    excluded_instance_types = var.excluded_instance_types
  }]

  capacity_provider_scaling_config = [{
    max_vcpu_count = var.max_vcpu_count
    scaling_mode   = var.scaling_mode
    scaling_policies = var.scaling_mode == "Auto" ? null : [{
      predefined_metric_type = "LambdaCapacityProviderAverageCPUUtilization"
      target_value           = var.target_cpu_percent
    }]
  }]

  timeouts {
    delete = "30m"
  }

  lifecycle {
    create_before_destroy = true
  }

  # The role must be able to work before the first instance starts.
  depends_on = [aws_iam_role_policy_attachment.operator, aws_iam_role_policy.volumes, aws_cloudwatch_log_group.provider]
}
