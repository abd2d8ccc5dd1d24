// Package dns is the name server that an agent runs for the node's containers. It
// answers for services, tasks and containers from a table in memory, each asker
// only for the networks that it is on, and forwards what is not orc's to the
// node's or the service's own name servers, with a small cache.
//
// It never asks a manager, never touches a network device, and is given its sockets
// and its table. What it is asked comes from containers, which are not trusted: no
// message may stop it, and none may use up what the others need.
//
// What it does with a name that no network of the asker knows:
//
//   - an address of a name of one label (db) or a task list (tasks.db): NXDOMAIN. It
//     is a service that is not there, and a name server outside need not hear of it,
//     nor may one that knows an answer to everything stand in for it. Docker forwards
//     these unless ndots is set; systemd-resolved does not.
//   - an address of orc's own subnets, backwards: NXDOMAIN.
//   - a name of its networks with a domain of its search list behind it (db and
//     example.com): forwarded, as it may be the name of another host there, and
//     answered as the name without the domain if it is not.
//   - all else is forwarded.
//
// A name that is known is orc's alone: a type that it lacks (AAAA of an IPv4
// service, MX, HTTPS) is answered as empty and never forwarded.
package dns
