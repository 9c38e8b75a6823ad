# Calls by the clock: how many environments the version that serves has, and whether jobs are taken.
#
# While no jobs are taken on purpose, the alarm for jobs that wait may not ring: it is silenced by the same steps.

locals {
  sdk = "arn:${var.partition}:scheduler:::aws-sdk"

  # A universal target names parameters as the SDK for Java does: Uuid, where the API has UUID.
  calls = merge(
    { for name, step in var.steps : "${name}-environments" => {
      at     = step.at
      action = "lambda:PutFunctionScalingConfig"
      input = jsonencode({
        FunctionName          = var.function_name
        Qualifier             = var.live_version # an alias is not taken
        FunctionScalingConfig = { MinExecutionEnvironments = step.environments.min, MaxExecutionEnvironments = step.environments.max }
      })
    } if step.environments != null },
    { for name, step in var.steps : "${name}-jobs" => {
      at     = step.at
      action = "lambda:updateEventSourceMapping"
      input  = jsonencode({ Uuid = var.mapping_uuid, Enabled = step.take_jobs })
    } if step.take_jobs != null },
    { for name, step in var.steps : "${name}-alarm" => {
      at     = step.at
      action = step.take_jobs ? "cloudwatch:enableAlarmActions" : "cloudwatch:disableAlarmActions"
      input  = jsonencode({ AlarmNames = [var.waiting_alarm.name] })
    } if step.take_jobs != null },
  )
}

resource "aws_iam_role" "schedule" {
  name                 = "${var.name}-schedule-${var.region}"
  description          = "Scales ${var.name} by the clock"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id, "aws:SourceArn" = aws_scheduler_schedule_group.this.arn } }
    }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  name = "schedule"
  role = aws_iam_role.schedule.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid    = "ScaleTheFunction"
        Effect = "Allow"
        Action = ["lambda:PutFunctionScalingConfig"]
        # By whichever of its versions serves.
        Resource = [var.function_arn, "${var.function_arn}:*"]
      },
      {
        Sid      = "TakeJobsOrNot"
        Effect   = "Allow"
        Action   = ["lambda:UpdateEventSourceMapping"]
        Resource = [var.mapping_arn]
      },
      {
        Sid      = "SilenceTheAlarmForJobsThatWait"
        Effect   = "Allow"
        Action   = ["cloudwatch:DisableAlarmActions", "cloudwatch:EnableAlarmActions"]
        Resource = [var.waiting_alarm.arn]
      },
      {
        Sid      = "TellWhatFailed"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [var.undelivered_arn]
      },
      ], [for key_arn in var.encrypted ? [var.kms_key_arn] : [] : {
        Sid      = "UseTheKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [key_arn]
    }])
  })
}

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "call" {
  #checkov:skip=CKV_AWS_297:A schedule holds the function's name and two numbers, and nothing of the data; AWS's own key encrypts it.
  for_each                     = local.calls
  name                         = each.key
  group_name                   = aws_scheduler_schedule_group.this.name
  schedule_expression          = each.value.at
  schedule_expression_timezone = var.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "${local.sdk}:${each.value.action}"
    role_arn = aws_iam_role.schedule.arn
    input    = each.value.input

    # A call that comes an hour late would undo the next one.
    retry_policy {
      maximum_event_age_in_seconds = 900
      maximum_retry_attempts       = 20
    }

    dead_letter_config {
      arn = var.undelivered_arn
    }
  }

  depends_on = [aws_iam_role_policy.schedule]
}
