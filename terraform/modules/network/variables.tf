variable "name" {
  description = "Name of the deployment."
  type        = string
}

variable "region" {
  description = "Region of the endpoints."
  type        = string
}

variable "mode" {
  description = "vpc_endpoints, nat, public or existing."
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC; a sixteenth of them for each subnet."
  type        = string
}

variable "zones" {
  description = "Availability zones; null: the region's first."
  type        = list(string)
}

variable "zone_count" {
  description = "How many zones are used."
  type        = number
}

variable "nat_gateways" {
  description = "one, or one_per_zone."
  type        = string
}

variable "existing" {
  description = "Subnets and security groups of mode `existing`."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
}

variable "endpoint_policies" {
  description = "Policy document (JSON) of each service that the worker calls, by the last part of its endpoint's name."
  type        = map(string)
}

variable "additional_interface_endpoints" {
  description = "More services to make interface endpoints for."
  type        = set(string)
}
