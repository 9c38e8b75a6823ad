# `nearline worker` as a service of ECS on Fargate: as many tasks as the backlog asks for.

locals {
  # Only an image in ECR needs permission: ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG or @DIGEST.
  ecr = try(regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.amazonaws\\.com(?:\\.cn)?/(?P<repository>[a-z0-9._/-]+)", var.image), null)

  # At SIGTERM a worker waits for its long polls (10 s) or, if that takes longer, for its batches, for these to be settled
  # (30 s at most) and for its last lines and spans (5 s). Fargate waits for 120 s.
  stop_seconds = 120
}

resource "aws_cloudwatch_log_group" "worker" {
  #checkov:skip=CKV_AWS_338:A month is enough to find out what went wrong; log_retention_days has it longer.
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "task" {
  name                 = "${var.name}-task-${var.region}"
  description          = "What the worker of ${var.name} may do"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy   = local.by_tasks
}

resource "aws_iam_role_policy" "task" {
  name = "worker"
  role = aws_iam_role.task.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([for statement in var.statements : jsondecode(statement)], [for key_arn in var.kms_key_arn[*] : {
      Sid      = "UseTheKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = [key_arn]
    }])
  })
}

resource "aws_iam_role" "start" {
  name                 = "${var.name}-start-${var.region}"
  description          = "ECS starts the tasks of ${var.name} with it"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy   = local.by_tasks
}

resource "aws_iam_role_policy" "start" {
  name = "start"
  role = aws_iam_role.start.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Sid      = "Log"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${aws_cloudwatch_log_group.worker.arn}:*"]
      }], [for ecr in local.ecr[*] : {
      Sid      = "PullTheImage"
      Effect   = "Allow"
      Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = ["arn:${var.partition}:ecr:${ecr.region}:${ecr.account}:repository/${ecr.repository}"]
      }], [for ecr in local.ecr[*] : {
      # ECR has no resource for it.
      Sid      = "LogInToEcr"
      Effect   = "Allow"
      Action   = ["ecr:GetAuthorizationToken"]
      Resource = ["*"]
    }])
  })
}

locals {
  by_tasks = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_ecs_cluster" "this" {
  name = var.name
  # The number of running tasks, by which the backlog is divided, is one of its metrics.
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "worker" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory_mib
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.start.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = upper(var.architecture)
  }

  container_definitions = jsonencode([{
    name      = "worker"
    image     = var.image
    essential = true
    command = [
      "worker", "--concurrency", tostring(var.concurrency), "--batch-timeout", tostring(var.batch_timeout_seconds),
      "--listen", "127.0.0.1:9464",
    ]
    environment = [for name, value in merge({ AWS_REGION = var.region }, var.settings) : { name = name, value = value }]
    user        = "65532:65532"
    # The worker writes no file.
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    stopTimeout            = local.stop_seconds
    # It lives while it loads its catalog, too; that it is ready is nobody's business, as nothing is sent to it.
    healthCheck = {
      command  = ["CMD", "/nearline", "probe", "127.0.0.1:9464"]
      interval = 10
      timeout  = 5
      retries  = 6
    }
    logConfiguration = {
      logDriver = "awslogs"
      options   = { awslogs-group = aws_cloudwatch_log_group.worker.name, awslogs-region = var.region, awslogs-stream-prefix = "worker" }
    }
  }])
}

resource "aws_ecs_service" "worker" {
  name            = var.name
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.worker.arn
  desired_count   = var.tasks.min
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = var.security_group_ids
    assign_public_ip = false
  }

  # A version whose tasks do not live is taken back.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  lifecycle {
    ignore_changes = [desired_count] # the backlog decides
  }

  depends_on = [aws_iam_role_policy.task, aws_iam_role_policy.start]
}

resource "aws_appautoscaling_target" "worker" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.worker.name}"
  min_capacity       = var.tasks.min
  max_capacity       = var.tasks.max
}

resource "aws_appautoscaling_policy" "backlog" {
  name               = "${var.name}-backlog"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.backlog_per_task
    scale_out_cooldown = 60
    # A task that is stopped drains, and a new one loads the catalog.
    scale_in_cooldown = 300

    customized_metric_specification {
      metrics {
        id          = "backlog"
        label       = "Jobs that wait, for each task"
        expression  = "IF(FILL(tasks, 0) > 0, waiting / tasks, waiting)"
        return_data = true
      }
      metrics {
        id          = "waiting"
        return_data = false
        metric_stat {
          stat = "Maximum"
          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesVisible"
            dimensions {
              name  = "QueueName"
              value = var.queue_name
            }
          }
        }
      }
      metrics {
        id          = "tasks"
        return_data = false
        metric_stat {
          stat = "Average"
          metric {
            namespace   = "ECS/ContainerInsights"
            metric_name = "RunningTaskCount"
            dimensions {
              name  = "ClusterName"
              value = aws_ecs_cluster.this.name
            }
            dimensions {
              name  = "ServiceName"
              value = aws_ecs_service.worker.name
            }
          }
        }
      }
    }
  }
}
