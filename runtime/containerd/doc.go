// Package containerd runs containers through containerd: New makes a
// runtime.Runtime of a containerd's socket, and Daemon runs the containerd that is
// in the orc binary. All calls go through containerd's API in the namespace orc;
// this package never decides what should run, and leaves other namespaces alone.
//
// On disk, under the node's data directory:
//
//	containerd/         containerd's own root: content, snapshots, metadata
//	runtime/DIGEST/     the unpacked bundle
//	volumes/NAME/_data  named volumes
//	containers/ID/      anonymous volumes
//
// and under RunDir: sockets, containerd's state, and per container its hosts,
// hostname and resolv.conf files and a tmpfs for its secrets.
package containerd
