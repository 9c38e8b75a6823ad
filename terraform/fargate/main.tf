# nearline on ECS instead of Lambda: queue, table and bucket as in the folder above, and `nearline worker` on Fargate.
#
#   terraform -chdir=terraform/fargate init
#   terraform -chdir=terraform/fargate apply -var image=... -var 'subnet_ids=["subnet-..."]' -var 'security_group_ids=["sg-..."]'

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.54"
    }
  }
}

variable "name" {
  description = "Name of the deployment."
  type        = string
  default     = "nearline"
}

variable "region" {
  description = "Region. The embedding model has to be offered there."
  type        = string
  default     = "us-east-1"
}

variable "image" {
  description = "Image that the Dockerfile makes, best by its digest."
  type        = string
}

variable "architecture" {
  description = "What the image is built for: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "subnet_ids" {
  description = "Subnets, in two zones at least, from which AWS and the image's registry can be reached."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups that let TLS (443) out."
  type        = list(string)
}

variable "tasks" {
  description = "Fewest and most tasks."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 10 }
}

variable "embedding_model" {
  description = "What is called to embed."
  type        = string
  default     = "amazon.nova-2-multimodal-embeddings-v1:0"
}

variable "embedding_dimension" {
  description = "Length of the vectors."
  type        = number
  default     = 384
}

variable "kms_key_arn" {
  description = "Key that encrypts queues, table, bucket and log group (docs/deployment.md says what its policy must allow); null: AWS's own."
  type        = string
  default     = null
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { application = var.name, managed-by = "terraform" }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  settings = {
    NEARLINE_QUEUE_URL             = module.queue.url
    NEARLINE_DEAD_LETTER_QUEUE_URL = module.queue.dead_letter_url
    NEARLINE_RESULTS_TABLE         = module.storage.table_name
    NEARLINE_RESULTS_BUCKET        = module.storage.bucket_name
    NEARLINE_CATALOG               = "s3://${module.storage.bucket_name}/catalog"
    NEARLINE_EMBEDDING_MODEL       = var.embedding_model
    NEARLINE_EMBEDDING_DIMENSION   = tostring(var.embedding_dimension)
  }
}

module "queue" {
  source = "../modules/queue"
  name   = var.name
  fifo   = false
  # A worker keeps its messages in flight itself; those of one that was killed come back after this.
  visibility_timeout_seconds = 60
  message_retention_seconds  = 1209600
  max_receive_count          = 100
  producer_arns              = []
  producer_topics            = []
  encrypted                  = var.kms_key_arn != null
  kms_key_arn                = var.kms_key_arn
}

module "storage" {
  source                  = "../modules/storage"
  name                    = var.name
  bucket_name             = "${var.name}-${local.account_id}-${var.region}"
  catalog_prefix          = "catalog"
  catalog_expiration_days = null
  results_ttl_seconds     = 604800
  recovery_days           = 35
  deletion_protection     = true
  stream_view_type        = null
  warm_throughput         = null
  encrypted               = var.kms_key_arn != null
  kms_key_arn             = var.kms_key_arn
}

module "permissions" {
  source                = "../modules/permissions"
  partition             = local.partition
  region                = var.region
  account_id            = local.account_id
  execution_role_arn    = module.worker.task_role_arn
  queue_arn             = module.queue.arn
  dead_letter_queue_arn = module.queue.dead_letter_arn
  table_arn             = module.storage.table_arn
  bucket_arn            = module.storage.bucket_arn
  catalog_prefixes      = ["catalog"]
  log_group_arn         = "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:/ecs/${var.name}"
  embedding_models      = [var.embedding_model]
  model_families        = {}
  tracing               = false
}

module "worker" {
  source             = "../modules/fargate"
  name               = var.name
  partition          = local.partition
  region             = var.region
  account_id         = local.account_id
  image              = var.image
  architecture       = var.architecture
  subnet_ids         = var.subnet_ids
  security_group_ids = var.security_group_ids
  settings           = local.settings
  # Logs are sent by ECS, with a role of their own.
  statements  = [for statement in module.permissions.statements : statement if jsondecode(statement).Sid != "Log"]
  queue_name  = module.queue.name
  tasks       = var.tasks
  kms_key_arn = var.kms_key_arn
}

output "service" {
  description = "Cluster and service."
  value       = module.worker.service
}

output "settings" {
  description = "The environment for nearline and loadgen on the command line, one NAME=value a line."
  value       = join("\n", [for name, value in merge({ AWS_REGION = var.region }, local.settings) : "${name}=${value}"])
}
