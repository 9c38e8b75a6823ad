# The table of the records, and the bucket.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name                    = "n"
  bucket_name             = "n-123456789012-us-east-1"
  catalog_prefix          = "catalog"
  catalog_expiration_days = null
  results_ttl_seconds     = 604800
  recovery_days           = 7
  deletion_protection     = true
  stream_view_type        = null
  warm_throughput         = null
  encrypted               = false
  kms_key_arn             = null
}

run "by_default" {
  module {
    source = "./modules/storage"
  }

  assert {
    condition     = aws_dynamodb_table.results.billing_mode == "PAY_PER_REQUEST" && aws_dynamodb_table.results.hash_key == "request_id" && aws_dynamodb_table.results.range_key == null
    error_message = "Records must be keyed by request_id alone, on demand."
  }
  assert {
    condition     = one(aws_dynamodb_table.results.ttl).attribute_name == "expires_at" && one(aws_dynamodb_table.results.ttl).enabled && one(aws_dynamodb_table.results.point_in_time_recovery).enabled && one(aws_dynamodb_table.results.point_in_time_recovery).recovery_period_in_days == 7
    error_message = "Records must expire by expires_at, and be recoverable."
  }
  assert {
    condition     = aws_dynamodb_table.results.deletion_protection_enabled && !aws_s3_bucket.this.force_destroy && !aws_dynamodb_table.results.stream_enabled && output.stream_arn == null
    error_message = "Data must not be destroyed by accident; there is no stream unless asked for."
  }
  assert {
    condition     = alltrue([aws_s3_bucket_public_access_block.this.block_public_acls, aws_s3_bucket_public_access_block.this.block_public_policy, aws_s3_bucket_public_access_block.this.ignore_public_acls, aws_s3_bucket_public_access_block.this.restrict_public_buckets, aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"])
    error_message = "The bucket must not be public by any way."
  }
  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy).Statement == [{
      Sid       = "OnlyOverTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "The bucket must refuse what does not come over TLS, and allow nobody."
  }
  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled" && one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "The bucket must be versioned and encrypted."
  }
  assert {
    condition     = { for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.id => try(rule.expiration[0].days, null) } == { spilled-results = 14, catalogs = null, what-was-overwritten-or-deleted = null }
    error_message = "Spilled results must outlive their records by a week; catalogs must not expire."
  }
  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.status == "Enabled"]) && [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.filter[0].prefix if rule.id != "what-was-overwritten-or-deleted"] == ["results/", "catalog/catalogs/"]
    error_message = "Each rule must be for its own prefix."
  }
  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.noncurrent_version_expiration[0].noncurrent_days if rule.id == "what-was-overwritten-or-deleted"] == [30]
    error_message = "Old versions of objects must go after 30 days."
  }
}

run "everything_asked_for" {
  # A table of its own: warm throughput counts when a table is made.
  state_key = "everything"
  module {
    source = "./modules/storage"
  }
  variables {
    deletion_protection     = false
    catalog_expiration_days = 180
    results_ttl_seconds     = 90000
    stream_view_type        = "NEW_IMAGE"
    warm_throughput         = { read = 20000, write = 8000 }
    encrypted               = true
    kms_key_arn             = "arn:aws:kms:us-east-1:123456789012:key/k"
  }

  assert {
    condition     = aws_dynamodb_table.results.stream_enabled && aws_dynamodb_table.results.stream_view_type == "NEW_IMAGE" && output.stream_arn != null
    error_message = "The stream must carry what was asked for."
  }
  assert {
    condition     = one(aws_dynamodb_table.results.warm_throughput).write_units_per_second == 8000 && one(aws_dynamodb_table.results.warm_throughput).read_units_per_second == 20000
    error_message = "The table must be warm."
  }
  assert {
    condition     = one(aws_dynamodb_table.results.server_side_encryption).kms_key_arn == var.kms_key_arn && one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn && one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled
    error_message = "The key must encrypt table and bucket."
  }
  assert {
    condition     = { for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.id => try(rule.expiration[0].days, null) } == { spilled-results = 9, catalogs = 180, what-was-overwritten-or-deleted = null } && !aws_dynamodb_table.results.deletion_protection_enabled && aws_s3_bucket.this.force_destroy
    error_message = "Ages and protection must follow."
  }
}
