package handlers

// General information of the OpenAPI document, see package openapi.
//
//	@title						Quorate REST API
//	@version					1
//	@description				High availability for the Connection Brokers of a VDI farm. A write is a wish that is on record when it is answered; the brokers make it so at once, and `status` and the event stream show how.
//	@description				IDs are 1 to 63 lower-case letters, digits and hyphens. Times are RFC 3339 in UTC, durations like "10s".
//	@description				Errors are problem documents (RFC 9457): `code` is for programs, `detail` says what to do, `errors` points at fields.
//	@description				Each configuration resource has a `revision`, which is its ETag too: send it as If-Match so that nobody's change is lost.
//	@license.name				Apache-2.0
//	@tag.name					Farm
//	@tag.description			The deployment, its health, and what problems mean.
//	@tag.name					Sites
//	@tag.description			Isolated groups of brokers and Providers.
//	@tag.name					Brokers
//	@tag.description			Connection Brokers: the servers that hold connections to Providers.
//	@tag.name					Providers
//	@tag.description			Hypervisors, clouds and PC pools.
//	@tag.name					Hosts
//	@tag.description			VMs and PCs of Providers.
//	@tag.name					Events
//	@tag.description			What has happened, and what happens.
