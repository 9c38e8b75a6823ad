# Notices of records.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name                     = "n"
  partition                = "aws"
  region                   = "us-east-1"
  account_id               = "123456789012"
  permissions_boundary_arn = null
  stream_arn               = "arn:aws:dynamodb:us-east-1:123456789012:table/n-results/stream/2026"
  target_arn               = "arn:aws:events:us-east-1:123456789012:event-bus/shop"
  statuses                 = ["SUCCEEDED"]
  undelivered_arn          = "arn:aws:sqs:us-east-1:123456789012:n-undelivered"
  encrypted                = false
  kms_key_arn              = null
}

run "to_an_event_bus" {
  module {
    source = "./modules/notices"
  }

  assert {
    condition     = aws_pipes_pipe.notices.source == var.stream_arn && aws_pipes_pipe.notices.target == var.target_arn && one(one(aws_pipes_pipe.notices.target_parameters).eventbridge_event_bus_parameters).detail_type == "Search job answered"
    error_message = "The pipe must lead from the table to the bus."
  }
  assert {
    condition     = jsondecode(one(one(one(aws_pipes_pipe.notices.source_parameters).filter_criteria).filter).pattern) == { eventName = ["INSERT", "MODIFY"], dynamodb = { NewImage = { status = { S = ["SUCCEEDED"] } } } }
    error_message = "Only records with one of the statuses may be told of: no expiry, no lease, no note."
  }
  assert {
    # Whatever a path is replaced by, it stands where a value may stand.
    condition     = keys(jsondecode(replace(one(aws_pipes_pipe.notices.target_parameters).input_template, "<$.dynamodb.NewImage.metadata.M>", "{}"))) == ["metadata", "request_id", "status"] && length(regexall("<\\$[^>]*>", one(aws_pipes_pipe.notices.target_parameters).input_template)) == 3
    error_message = "A notice must have these three and nothing of the query or the results."
  }
  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.pipe.policy).Statement : statement.Sid => concat(statement.Action, ["on"], statement.Resource) } == {
      ReadTheStream  = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "on", var.stream_arn]
      FindTheStream  = ["dynamodb:ListStreams", "on", "*"]
      Tell           = ["events:PutEvents", "on", var.target_arn]
      TellWhatFailed = ["sqs:SendMessage", "on", var.undelivered_arn]
    }
    error_message = "The role may make these calls and no others."
  }
  assert {
    condition     = one(one(one(aws_pipes_pipe.notices.source_parameters).dynamodb_stream_parameters).dead_letter_config).arn == var.undelivered_arn && one(one(aws_pipes_pipe.notices.source_parameters).dynamodb_stream_parameters).maximum_record_age_in_seconds == 3600
    error_message = "What cannot be told must be named, and hold up nothing behind it."
  }
  assert {
    condition     = jsondecode(aws_iam_role.pipe.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceArn"] == "arn:aws:pipes:us-east-1:123456789012:pipe/n-notices" && aws_pipes_pipe.notices.name == "n-notices"
    error_message = "Only this pipe may take the role."
  }
}

run "to_a_queue_with_a_key" {
  module {
    source = "./modules/notices"
  }
  variables {
    target_arn  = "arn:aws:sqs:us-east-1:123456789012:answered"
    statuses    = ["SUCCEEDED", "REJECTED"]
    encrypted   = true
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/k"
  }

  assert {
    condition     = length(one(aws_pipes_pipe.notices.target_parameters).eventbridge_event_bus_parameters) == 0 && [for statement in jsondecode(aws_iam_role_policy.pipe.policy).Statement : join(" ", statement.Action) if contains(["Tell", "UseTheKey"], statement.Sid)] == ["sqs:SendMessage", "kms:Decrypt kms:GenerateDataKey"]
    error_message = "To a queue a message is sent, and the stream is read with the key."
  }
}
