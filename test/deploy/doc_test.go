// Package deploy checks what deploy/ and docker-compose.yml say, without a
// container: the NATS configuration by a server that runs it, the compose file
// by the reference parser, dashboards and alerts by their own grammar and the
// names that the code really uses.
package deploy
