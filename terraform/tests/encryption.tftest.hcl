# Whose key.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name                = "n"
  mode                = "aws_owned"
  partition           = "aws"
  region              = "us-east-1"
  account_id          = "123456789012"
  log_group_arns      = ["arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/n", "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/capacity-provider/n-*"]
  producer_arns       = []
  producer_topic_arns = []
}

run "aws_owned" {
  module {
    source = "./modules/encryption"
  }

  assert {
    condition     = length(aws_kms_key.this) == 0 && output.key_arn == null && !output.enabled
    error_message = "There must be no key to name."
  }
}

run "given" {
  module {
    source = "./modules/encryption"
  }
  variables {
    mode = "arn:aws:kms:us-east-1:123456789012:key/mine"
  }

  assert {
    condition     = length(aws_kms_key.this) == 0 && output.key_arn == "arn:aws:kms:us-east-1:123456789012:key/mine" && output.enabled
    error_message = "The given key must be used, and none be made."
  }
}

run "customer_managed" {
  module {
    source = "./modules/encryption"
  }
  variables {
    mode                = "customer_managed"
    producer_arns       = ["arn:aws:iam::210987654321:role/shop"]
    producer_topic_arns = ["arn:aws:sns:us-east-1:210987654321:searches"]
  }

  assert {
    condition     = aws_kms_key.this[0].enable_key_rotation && aws_kms_key.this[0].deletion_window_in_days == 30 && aws_kms_alias.this[0].name == "alias/n" && output.enabled
    error_message = "The key must rotate, and not be gone at once."
  }
  assert {
    condition     = [for statement in jsondecode(aws_kms_key.this[0].policy).Statement : statement.Sid] == ["Administration", "UseThroughServices", "GrantsForServices", "LogGroups", "Alarms", "Producers", "Topics"]
    error_message = "The policy must have these statements."
  }
  assert {
    condition = alltrue([
      for action in jsondecode(aws_kms_key.this[0].policy).Statement[0].Action :
      !strcontains(action, "*") && !contains(["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"], action)
    ])
    error_message = "Who administers the key must not read data with it."
  }
  assert {
    condition     = alltrue([for statement in jsondecode(aws_kms_key.this[0].policy).Statement : statement.Sid == "Administration" || can(statement.Condition)]) && alltrue([for statement in jsondecode(aws_kms_key.this[0].policy).Statement : statement.Principal != "*" && try(statement.Principal.AWS != "*", true)])
    error_message = "Every use of the key must have a condition, and nobody be unnamed."
  }
  assert {
    condition     = jsondecode(aws_kms_key.this[0].policy).Statement[3].Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"] == [for arn in var.log_group_arns : arn]
    error_message = "CloudWatch Logs may use the key for these log groups only."
  }
  assert {
    condition     = jsondecode(aws_kms_key.this[0].policy).Statement[5].Principal.AWS == ["arn:aws:iam::210987654321:role/shop"] && jsondecode(aws_kms_key.this[0].policy).Statement[5].Condition.StringEquals["kms:ViaService"] == "sqs.us-east-1.amazonaws.com"
    error_message = "Producers may use the key for their messages only."
  }
  assert {
    condition     = jsondecode(aws_kms_key.this[0].policy).Statement[6].Principal == { Service = "sns.amazonaws.com" } && jsondecode(aws_kms_key.this[0].policy).Statement[6].Condition.ArnEquals["aws:SourceArn"] == ["arn:aws:sns:us-east-1:210987654321:searches"]
    error_message = "SNS may use the key for these topics only."
  }
}
