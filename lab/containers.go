package lab

import "strings"

// Containers are the IDs of the node's containers that have a process, whatever
// the node says of them: the children of containerd's shims.
func (n *Node) Containers() ([]string, error) {
	all, err := n.processes()
	if err != nil {
		return nil, err
	}
	shims := make(map[int]string)
	for _, p := range all {
		if id := shimOf(p.command); id != "" {
			shims[p.pid] = id
		}
	}
	var running []string
	for _, p := range all {
		if id, child := shims[p.parent]; child && shimOf(p.command) == "" {
			running = append(running, id)
			delete(shims, p.parent)
		}
	}
	return running, nil
}

// shimOf is the ID of the container that a shim with this command line keeps, or
// "" when the process is no shim.
func shimOf(command string) string {
	arguments := strings.Fields(command)
	if len(arguments) == 0 || !strings.HasSuffix(arguments[0], "/containerd-shim-runc-v2") {
		return ""
	}
	for i, each := range arguments[:len(arguments)-1] {
		if each == "-id" {
			return arguments[i+1]
		}
	}
	return ""
}
