# The queue of the jobs and its dead-letter queue.

mock_provider "aws" {
  source = "./tests/aws"
}

override_resource {
  target = aws_sqs_queue.jobs
  values = { arn = "arn:aws:sqs:us-east-1:123456789012:n-jobs", url = "https://sqs/n-jobs" }
}

override_resource {
  target = aws_sqs_queue.dead_letters
  values = { arn = "arn:aws:sqs:us-east-1:123456789012:n-dead-letters", url = "https://sqs/n-dead-letters" }
}

variables {
  name                       = "n"
  fifo                       = false
  visibility_timeout_seconds = 360
  message_retention_seconds  = 1209600
  max_receive_count          = 100
  producer_arns              = []
  producer_topics            = []
  encrypted                  = false
  kms_key_arn                = null
}

run "standard" {
  module {
    source = "./modules/queue"
  }

  assert {
    condition     = aws_sqs_queue.jobs.name == "n-jobs" && aws_sqs_queue.dead_letters.name == "n-dead-letters" && !aws_sqs_queue.jobs.fifo_queue
    error_message = "The queues must be standard ones, named after the deployment."
  }
  assert {
    condition     = jsondecode(aws_sqs_queue.jobs.redrive_policy) == { deadLetterTargetArn = "arn:aws:sqs:us-east-1:123456789012:n-dead-letters", maxReceiveCount = 100 }
    error_message = "Jobs must be redriven to the dead-letter queue."
  }
  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.dead_letters.redrive_allow_policy) == { redrivePermission = "byQueue", sourceQueueArns = ["arn:aws:sqs:us-east-1:123456789012:n-jobs"] }
    error_message = "Only the queue of the jobs may redrive there."
  }
  assert {
    condition     = aws_sqs_queue.jobs.receive_wait_time_seconds == 20 && aws_sqs_queue.jobs.visibility_timeout_seconds == 360 && aws_sqs_queue.dead_letters.message_retention_seconds == 1209600 && aws_sqs_queue.jobs.max_message_size == 1048576
    error_message = "Long polling, visibility, retention and message size must be as said."
  }
  assert {
    condition     = aws_sqs_queue.jobs.sqs_managed_sse_enabled && aws_sqs_queue.dead_letters.sqs_managed_sse_enabled && aws_sqs_queue.jobs.kms_master_key_id == null
    error_message = "SQS's own key must encrypt both queues."
  }
  assert {
    condition = alltrue([
      for policy in [aws_sqs_queue_policy.jobs.policy, aws_sqs_queue_policy.dead_letters.policy] :
      length(jsondecode(policy).Statement) == 1 && jsondecode(policy).Statement[0].Effect == "Deny" && jsondecode(policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    ])
    error_message = "Without producers the policies must only refuse what does not come over TLS."
  }
}

run "producers" {
  module {
    source = "./modules/queue"
  }
  variables {
    producer_arns = ["arn:aws:iam::210987654321:role/shop"]
  }

  assert {
    condition = jsondecode(aws_sqs_queue_policy.jobs.policy).Statement[1] == {
      Sid       = "Producers"
      Effect    = "Allow"
      Principal = { AWS = ["arn:aws:iam::210987654321:role/shop"] }
      Action    = ["sqs:SendMessage", "sqs:GetQueueUrl"]
      Resource  = "arn:aws:sqs:us-east-1:123456789012:n-jobs"
    }
    error_message = "Producers may send jobs and nothing else."
  }
  assert {
    condition     = length(jsondecode(aws_sqs_queue_policy.dead_letters.policy).Statement) == 1
    error_message = "Producers have no business in the dead-letter queue."
  }
}

run "topics" {
  module {
    source = "./modules/queue"
  }
  variables {
    producer_topics = [
      { arn = "arn:aws:sns:us-east-1:210987654321:searches" },
      { arn = "arn:aws:sns:us-east-1:210987654321:events", filter_policy = "{\"kind\":[\"search\"]}", filter_policy_scope = "MessageAttributes" },
    ]
  }

  assert {
    condition = [for policy in [aws_sqs_queue_policy.jobs.policy, aws_sqs_queue_policy.dead_letters.policy] : jsonencode(jsondecode(policy).Statement[1])] == [for queue in [aws_sqs_queue.jobs.arn, aws_sqs_queue.dead_letters.arn] : jsonencode({
      Sid       = "Topics"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = ["sqs:SendMessage"]
      Resource  = queue
      Condition = { ArnEquals = { "aws:SourceArn" = var.producer_topics[*].arn } }
    })]
    error_message = "Only these topics may send, jobs to the queue and what cannot be delivered to the dead letters."
  }
  assert {
    condition     = { for arn, subscription in aws_sns_topic_subscription.jobs : arn => [subscription.protocol, subscription.endpoint, subscription.raw_message_delivery, subscription.filter_policy, jsondecode(subscription.redrive_policy).deadLetterTargetArn] } == { for topic in var.producer_topics : topic.arn => ["sqs", aws_sqs_queue.jobs.arn, true, topic.filter_policy, aws_sqs_queue.dead_letters.arn] }
    error_message = "The message of a topic must be the job itself, and never be lost."
  }
  assert {
    condition     = aws_sns_topic_subscription.jobs["arn:aws:sns:us-east-1:210987654321:events"].filter_policy_scope == "MessageAttributes"
    error_message = "A filter must count for what it is meant for."
  }
}

run "fifo" {
  module {
    source = "./modules/queue"
  }
  variables {
    fifo = true
  }

  assert {
    condition     = aws_sqs_queue.jobs.name == "n-jobs.fifo" && aws_sqs_queue.dead_letters.name == "n-dead-letters.fifo" && aws_sqs_queue.jobs.fifo_queue && aws_sqs_queue.dead_letters.fifo_queue
    error_message = "A FIFO queue needs a FIFO dead-letter queue."
  }
  assert {
    condition     = aws_sqs_queue.jobs.fifo_throughput_limit == "perMessageGroupId" && aws_sqs_queue.jobs.deduplication_scope == "messageGroup" && aws_sqs_queue.jobs.content_based_deduplication == false
    error_message = "Throughput must count by message group, and jobs be told apart by the id that the producer gives."
  }
}

run "own_key" {
  module {
    source = "./modules/queue"
  }
  variables {
    encrypted   = true
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/k"
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.jobs, aws_sqs_queue.dead_letters] :
      queue.kms_master_key_id == "arn:aws:kms:us-east-1:123456789012:key/k"
    ])
    error_message = "The key must encrypt both queues."
  }
}
