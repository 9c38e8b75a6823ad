# The table of the records, and the bucket of catalogs and of results that are too large for a record.

locals {
  # TTL takes days to delete an item, and until then it can be read, and its results_uri followed.
  results_days = ceil(var.results_ttl_seconds / 86400) + 7
}

resource "aws_dynamodb_table" "results" {
  name                        = "${var.name}-results"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "request_id"
  deletion_protection_enabled = var.deletion_protection
  stream_enabled              = var.stream_view_type != null
  stream_view_type            = var.stream_view_type

  attribute {
    name = "request_id"
    type = "S"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled                 = true
    recovery_period_in_days = var.recovery_days
  }

  # Without the block AWS's own key encrypts, at no cost.
  dynamic "server_side_encryption" {
    for_each = var.encrypted ? [var.kms_key_arn] : []
    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }

  dynamic "warm_throughput" {
    for_each = var.warm_throughput[*]
    content {
      read_units_per_second  = warm_throughput.value.read
      write_units_per_second = warm_throughput.value.write
    }
  }

  lifecycle {
    # DynamoDB raises it with the traffic, and Terraform would replace the table, with all records, to lower it again.
    ignore_changes = [warm_throughput]
  }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:Access logs need a second bucket, which is the account's affair; CloudTrail's data events tell who read what without one.
  #checkov:skip=CKV_AWS_144:Another region gets its own deployment and its own catalog, published there; records are for the services of this one.
  #checkov:skip=CKV2_AWS_62:Nobody waits for objects: workers look at the pointer, readers follow results_uri.
  bucket        = var.bucket_name
  force_destroy = !var.deletion_protection
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    bucket_key_enabled = var.encrypted
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.encrypted ? "aws:kms" : "AES256"
      kms_master_key_id = var.encrypted ? var.kms_key_arn : null
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyOverTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "spilled-results"
    status = "Enabled"
    filter {
      prefix = "results/"
    }
    expiration {
      days = local.results_days
    }
  }

  # The current catalog may be the oldest: what is never replaced must not expire. Age only makes it cheaper.
  rule {
    id     = "catalogs"
    status = "Enabled"
    filter {
      prefix = "${var.catalog_prefix}/catalogs/"
    }
    transition {
      days          = 30
      storage_class = "INTELLIGENT_TIERING"
    }
    dynamic "expiration" {
      for_each = var.catalog_expiration_days[*]
      content {
        days = expiration.value
      }
    }
  }

  rule {
    id     = "what-was-overwritten-or-deleted"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
