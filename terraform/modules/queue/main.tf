# The queue of the jobs, and the one for what no record can answer.

locals {
  suffix = var.fifo ? ".fifo" : ""

  deny_plain_text = {
    Sid       = "OnlyOverTls"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sqs:*"
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }

  from_topics = {
    Sid       = "Topics"
    Effect    = "Allow"
    Principal = { Service = "sns.amazonaws.com" }
    Action    = ["sqs:SendMessage"]
  }
}

resource "aws_sqs_queue" "jobs" {
  name                       = "${var.name}-jobs${local.suffix}"
  visibility_timeout_seconds = var.visibility_timeout_seconds
  message_retention_seconds  = var.message_retention_seconds
  receive_wait_time_seconds  = 20
  max_message_size           = 1048576

  fifo_queue = var.fifo
  # A job says itself which one it is, by its request id; producers set the deduplication id.
  content_based_deduplication = var.fifo ? false : null
  deduplication_scope         = var.fifo ? "messageGroup" : null
  fifo_throughput_limit       = var.fifo ? "perMessageGroupId" : null

  sqs_managed_sse_enabled           = var.encrypted ? null : true
  kms_master_key_id                 = var.encrypted ? var.kms_key_arn : null
  kms_data_key_reuse_period_seconds = var.encrypted ? 300 : null

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.max_receive_count
  })
}

resource "aws_sqs_queue" "dead_letters" {
  name                       = "${var.name}-dead-letters${local.suffix}"
  message_retention_seconds  = 1209600
  visibility_timeout_seconds = 60
  receive_wait_time_seconds  = 20
  # A dead letter is never smaller than the job that it holds.
  max_message_size = 1048576

  fifo_queue                  = var.fifo
  content_based_deduplication = var.fifo ? false : null
  deduplication_scope         = var.fifo ? "messageGroup" : null
  fifo_throughput_limit       = var.fifo ? "perMessageGroupId" : null

  sqs_managed_sse_enabled           = var.encrypted ? null : true
  kms_master_key_id                 = var.encrypted ? var.kms_key_arn : null
  kms_data_key_reuse_period_seconds = var.encrypted ? 300 : null
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.jobs.arn]
  })
}

resource "aws_sqs_queue_policy" "jobs" {
  queue_url = aws_sqs_queue.jobs.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([merge(local.deny_plain_text, { Resource = aws_sqs_queue.jobs.arn })], [
      for producers in length(var.producer_arns) > 0 ? [var.producer_arns] : [] : {
        Sid       = "Producers"
        Effect    = "Allow"
        Principal = { AWS = producers }
        Action    = ["sqs:SendMessage", "sqs:GetQueueUrl"]
        Resource  = aws_sqs_queue.jobs.arn
      }
      ], [
      for topics in length(var.producer_topics) > 0 ? [var.producer_topics[*].arn] : [] : merge(local.from_topics, {
        Resource  = aws_sqs_queue.jobs.arn
        Condition = { ArnEquals = { "aws:SourceArn" = topics } }
      })
    ])
  })
}

# The message itself is the job: without raw delivery SNS would wrap it.
resource "aws_sns_topic_subscription" "jobs" {
  for_each             = { for topic in var.producer_topics : topic.arn => topic }
  topic_arn            = each.key
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.jobs.arn
  raw_message_delivery = true
  filter_policy        = each.value.filter_policy
  filter_policy_scope  = each.value.filter_policy == null ? null : each.value.filter_policy_scope
  # A job that SNS cannot hand to the queue is not lost: it can be resent from there as any other.
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letters.arn })

  depends_on = [aws_sqs_queue_policy.jobs, aws_sqs_queue_policy.dead_letters]
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([merge(local.deny_plain_text, { Resource = aws_sqs_queue.dead_letters.arn })], [
      for topics in length(var.producer_topics) > 0 ? [var.producer_topics[*].arn] : [] : merge(local.from_topics, {
        Resource  = aws_sqs_queue.dead_letters.arn
        Condition = { ArnEquals = { "aws:SourceArn" = topics } }
      })
    ])
  })
}
