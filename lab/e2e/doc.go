// Package e2e breaks a real cluster on purpose: three nodes in a lab, the built
// binary, real containers and real packets. It has tests only.
package e2e
