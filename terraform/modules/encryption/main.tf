# Which key encrypts: AWS's own (none to name), one made here, or one that is given. A given key's policy is its owner's
# affair; docs/deployment.md says what it must allow.

locals {
  create   = var.mode == "customer_managed"
  root     = "arn:${var.partition}:iam::${var.account_id}:root"
  key_arn  = local.create ? one(aws_kms_key.this[*].arn) : var.mode == "aws_owned" ? null : var.mode
  services = [for service in ["sqs", "dynamodb", "s3", "lambda", "ec2", "sns"] : "${service}.${var.region}.amazonaws.com"]

  policy = {
    Version = "2012-10-17"
    Statement = concat([
      {
        # What IAM may grant to people: managing the key, and nothing that reads data.
        Sid       = "Administration"
        Effect    = "Allow"
        Principal = { AWS = local.root }
        Action = [
          "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies",
          "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:UpdateKeyDescription",
          "kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:EnableKey", "kms:DisableKey",
          "kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:RotateKeyOnDemand", "kms:RevokeGrant",
          "kms:TagResource", "kms:UntagResource", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion",
        ]
        Resource = "*"
      },
      {
        # Principals of this account to whom IAM grants it, and only through the services that keep nearline's data:
        # nobody decrypts anything by calling KMS.
        Sid       = "UseThroughServices"
        Effect    = "Allow"
        Principal = { AWS = local.root }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { StringEquals = { "kms:CallerAccount" = var.account_id, "kms:ViaService" = local.services } }
      },
      {
        # Tables, functions and volumes use a key by grants that they are given when they are made.
        Sid       = "GrantsForServices"
        Effect    = "Allow"
        Principal = { AWS = local.root }
        Action    = ["kms:CreateGrant"]
        Resource  = "*"
        Condition = {
          StringEquals = { "kms:CallerAccount" = var.account_id, "kms:ViaService" = local.services }
          Bool         = { "kms:GrantIsForAWSResource" = "true" }
        }
      },
      {
        Sid       = "LogGroups"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = var.log_group_arns } }
      },
      {
        # Alarms publish to an encrypted topic.
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      },
      ], [
      for producers in length(var.producer_arns) > 0 ? [var.producer_arns] : [] : {
        # Also those of other accounts, to whom the statement above does not speak.
        Sid       = "Producers"
        Effect    = "Allow"
        Principal = { AWS = producers }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "kms:ViaService" = "sqs.${var.region}.amazonaws.com" } }
      }
      ], [
      for topics in length(var.producer_topic_arns) > 0 ? [var.producer_topic_arns] : [] : {
        Sid       = "Topics"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { ArnEquals = { "aws:SourceArn" = topics } }
      }
    ])
  }
}

resource "aws_kms_key" "this" {
  count                   = local.create ? 1 : 0
  description             = "${var.name}: queues, records, catalogs, logs, instances"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = jsonencode(local.policy)
}

resource "aws_kms_alias" "this" {
  count         = local.create ? 1 : 0
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this[0].key_id
}
