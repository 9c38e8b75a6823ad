# Where a schedule's call or a notice goes that could not be delivered: nothing fails unseen.

resource "aws_sqs_queue" "this" {
  name                              = "${var.name}-undelivered"
  message_retention_seconds         = 1209600
  sqs_managed_sse_enabled           = var.encrypted ? null : true
  kms_master_key_id                 = var.encrypted ? var.kms_key_arn : null
  kms_data_key_reuse_period_seconds = var.encrypted ? 300 : null
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyOverTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.this.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
