# What happens by the clock.

variable "schedule" {
  description = "By the clock, in a time zone: how many environments run (`environments`), and whether jobs are taken from the queue (`take_jobs`); `at` is a cron expression of EventBridge Scheduler. A step does one of the two. Nights without instances need four: stop taking jobs, some minutes later no environments; environments in the morning, and when they have loaded the catalog, jobs. null: nothing."
  type = object({
    timezone = optional(string, "UTC")
    steps = map(object({
      at           = string
      environments = optional(object({ min = number, max = number }))
      take_jobs    = optional(bool)
    }))
  })
  default = null

  validation {
    condition     = var.schedule == null || var.compute == "managed_instances"
    error_message = "schedule is for Managed Instances: a standard function has no environments to keep, and costs nothing while idle."
  }

  validation {
    condition     = var.schedule == null || try(length(var.schedule.steps) > 0 && alltrue([for name, step in var.schedule.steps : can(regex("^[a-z][a-z0-9-]{0,30}$", name)) && can(regex("^(cron|rate|at)\\(.+\\)$", step.at))]), false)
    error_message = "schedule must have steps, named in lowercase letters, digits and hyphens, each with `at` such as cron(0 22 ? * MON-FRI *)."
  }

  validation {
    condition     = var.schedule == null || try(alltrue([for step in values(var.schedule.steps) : (step.environments == null) != (step.take_jobs == null)]), false)
    error_message = "schedule has a step with both or neither of environments and take_jobs: which of two calls at the same minute comes first is not certain, so give each its own time."
  }

  validation {
    condition     = var.schedule == null || try(alltrue([for step in values(var.schedule.steps) : step.environments.min == floor(step.environments.min) && step.environments.max == floor(step.environments.max) && step.environments.max <= 15000 && (step.environments.min >= 1 ? step.environments.min <= step.environments.max : step.environments.min == 0 && step.environments.max == 0) if step.environments != null]), false)
    error_message = "schedule must have whole numbers in environments, 1 <= min <= max <= 15,000, or { min = 0, max = 0 }."
  }

  validation {
    # A step to zero needs a way back, and no jobs meanwhile.
    condition     = var.schedule == null || try(!anytrue([for step in values(var.schedule.steps) : step.environments.max == 0 if step.environments != null]) || (anytrue([for step in values(var.schedule.steps) : step.environments.max > 0 if step.environments != null]) && anytrue([for step in values(var.schedule.steps) : !step.take_jobs if step.take_jobs != null]) && anytrue([for step in values(var.schedule.steps) : step.take_jobs if step.take_jobs != null])), false)
    error_message = "schedule goes to zero environments, which needs a step back to some, a step with take_jobs = false before it and one with take_jobs = true after: zero environments answer nothing, do not come back with traffic, and each time that a job is received in vain counts as an attempt."
  }
}
