# Tells of each record that is there: a pipe from the table's stream to an event bus or a queue.
#
# A notice has the job's id, how it ended and its own metadata. Results stay where they are, in the table.

locals {
  event_bus = try(strcontains(split(":", var.target_arn)[5], "event-bus/"), false)

  # `status` also leaves out what else stands in the table: leases and notes have none.
  pattern = {
    eventName = ["INSERT", "MODIFY"]
    dynamodb  = { NewImage = { status = { S = var.statuses } } }
  }
  # Pipes put each value in for its path; `metadata` is a map in DynamoDB's JSON.
  template = "{\"request_id\": \"<$.dynamodb.NewImage.request_id.S>\", \"status\": \"<$.dynamodb.NewImage.status.S>\", \"metadata\": <$.dynamodb.NewImage.metadata.M>}"
}

resource "aws_iam_role" "pipe" {
  name                 = "${var.name}-notices-${var.region}"
  description          = "Tells of the records of ${var.name}"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pipes.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = {
        "aws:SourceAccount" = var.account_id
        "aws:SourceArn"     = "arn:${var.partition}:pipes:${var.region}:${var.account_id}:pipe/${var.name}-notices"
      } }
    }]
  })
}

resource "aws_iam_role_policy" "pipe" {
  name = "notices"
  role = aws_iam_role.pipe.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "ReadTheStream"
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
        Resource = [var.stream_arn]
      },
      {
        # DynamoDB has no resource for it.
        Sid      = "FindTheStream"
        Effect   = "Allow"
        Action   = ["dynamodb:ListStreams"]
        Resource = ["*"]
      },
      {
        Sid      = "Tell"
        Effect   = "Allow"
        Action   = [local.event_bus ? "events:PutEvents" : "sqs:SendMessage"]
        Resource = [var.target_arn]
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

resource "aws_pipes_pipe" "notices" {
  name     = "${var.name}-notices"
  role_arn = aws_iam_role.pipe.arn
  source   = var.stream_arn
  target   = var.target_arn

  source_parameters {
    dynamodb_stream_parameters {
      starting_position = "LATEST"
      batch_size        = 10
      # What cannot be told within an hour is named in the queue, and holds up nothing behind it.
      maximum_record_age_in_seconds = 3600
      maximum_retry_attempts        = 20
      on_partial_batch_item_failure = "AUTOMATIC_BISECT"
      dead_letter_config {
        arn = var.undelivered_arn
      }
    }
    filter_criteria {
      filter {
        pattern = jsonencode(local.pattern)
      }
    }
  }

  target_parameters {
    input_template = local.template
    dynamic "eventbridge_event_bus_parameters" {
      for_each = local.event_bus ? [true] : []
      content {
        source      = "nearline"
        detail_type = "Search job answered"
      }
    }
  }

  depends_on = [aws_iam_role_policy.pipe]
}
