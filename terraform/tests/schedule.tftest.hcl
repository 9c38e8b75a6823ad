# What happens by the clock, and where its failures go.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name                     = "n"
  partition                = "aws"
  region                   = "us-east-1"
  account_id               = "123456789012"
  permissions_boundary_arn = null
  timezone                 = "Europe/Berlin"
  steps = {
    pause  = { at = "cron(50 21 ? * * *)", take_jobs = false }
    zero   = { at = "cron(0 22 ? * * *)", environments = { min = 0, max = 0 } }
    start  = { at = "cron(30 6 ? * * *)", environments = { min = 3, max = 12 } }
    resume = { at = "cron(45 6 ? * * *)", take_jobs = true }
  }
  function_name   = "n"
  function_arn    = "arn:aws:lambda:us-east-1:123456789012:function:n"
  live_version    = "42"
  mapping_uuid    = "uuid-1"
  mapping_arn     = "arn:aws:lambda:us-east-1:123456789012:event-source-mapping:uuid-1"
  waiting_alarm   = { name = "n-oldest-message", arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:n-oldest-message" }
  undelivered_arn = "arn:aws:sqs:us-east-1:123456789012:n-undelivered"
  encrypted       = true
  kms_key_arn     = "arn:aws:kms:us-east-1:123456789012:key/k"
}

run "nights_without_instances" {
  module {
    source = "./modules/schedule"
  }

  assert {
    condition = { for name, call in aws_scheduler_schedule.call : name => [call.schedule_expression, one(call.target).arn, one(call.target).input] } == {
      pause-jobs         = ["cron(50 21 ? * * *)", "arn:aws:scheduler:::aws-sdk:lambda:updateEventSourceMapping", jsonencode({ Uuid = "uuid-1", Enabled = false })]
      pause-alarm        = ["cron(50 21 ? * * *)", "arn:aws:scheduler:::aws-sdk:cloudwatch:disableAlarmActions", jsonencode({ AlarmNames = ["n-oldest-message"] })]
      zero-environments  = ["cron(0 22 ? * * *)", "arn:aws:scheduler:::aws-sdk:lambda:PutFunctionScalingConfig", jsonencode({ FunctionName = "n", Qualifier = "42", FunctionScalingConfig = { MinExecutionEnvironments = 0, MaxExecutionEnvironments = 0 } })]
      start-environments = ["cron(30 6 ? * * *)", "arn:aws:scheduler:::aws-sdk:lambda:PutFunctionScalingConfig", jsonencode({ FunctionName = "n", Qualifier = "42", FunctionScalingConfig = { MinExecutionEnvironments = 3, MaxExecutionEnvironments = 12 } })]
      resume-jobs        = ["cron(45 6 ? * * *)", "arn:aws:scheduler:::aws-sdk:lambda:updateEventSourceMapping", jsonencode({ Uuid = "uuid-1", Enabled = true })]
      resume-alarm       = ["cron(45 6 ? * * *)", "arn:aws:scheduler:::aws-sdk:cloudwatch:enableAlarmActions", jsonencode({ AlarmNames = ["n-oldest-message"] })]
    }
    error_message = "Each step must make its calls, and silence the alarm while no jobs are taken."
  }
  assert {
    condition     = alltrue([for call in aws_scheduler_schedule.call : call.schedule_expression_timezone == "Europe/Berlin" && one(call.flexible_time_window).mode == "OFF" && one(one(call.target).dead_letter_config).arn == var.undelivered_arn && one(one(call.target).retry_policy).maximum_event_age_in_seconds == 900])
    error_message = "Calls must come on time, be tried again, and never fail unseen."
  }
  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.schedule.policy).Statement : statement.Sid => concat(statement.Action, ["on"], statement.Resource) } == {
      ScaleTheFunction               = ["lambda:PutFunctionScalingConfig", "on", var.function_arn, "${var.function_arn}:*"]
      TakeJobsOrNot                  = ["lambda:UpdateEventSourceMapping", "on", var.mapping_arn]
      SilenceTheAlarmForJobsThatWait = ["cloudwatch:DisableAlarmActions", "cloudwatch:EnableAlarmActions", "on", var.waiting_alarm.arn]
      TellWhatFailed                 = ["sqs:SendMessage", "on", var.undelivered_arn]
      UseTheKey                      = ["kms:Decrypt", "kms:GenerateDataKey", "on", var.kms_key_arn]
    }
    error_message = "The role may make these calls and no others."
  }
  assert {
    condition     = jsondecode(aws_iam_role.schedule.assume_role_policy).Statement[0].Principal.Service == "scheduler.amazonaws.com" && jsondecode(aws_iam_role.schedule.assume_role_policy).Statement[0].Condition.StringEquals == { "aws:SourceAccount" = "123456789012", "aws:SourceArn" = aws_scheduler_schedule_group.this.arn }
    error_message = "Only these schedules may take the role."
  }
}

run "undelivered" {
  module {
    source = "./modules/undelivered"
  }

  assert {
    condition     = aws_sqs_queue.this.name == "n-undelivered" && aws_sqs_queue.this.message_retention_seconds == 1209600 && aws_sqs_queue.this.kms_master_key_id == var.kms_key_arn
    error_message = "What failed must be kept, under the key."
  }
  assert {
    condition     = [for statement in jsondecode(aws_sqs_queue_policy.this.policy).Statement : [statement.Effect, statement.Condition]] == [["Deny", { Bool = { "aws:SecureTransport" = "false" } }]]
    error_message = "The queue's policy must only refuse what does not come over TLS."
  }
}
