package lab

import "strings"

// Containers are the IDs of the node's containers that have a process, whatever
// the node says of them: the children of containerd's shims.
func (n *Node) Containers() ([]string, error) {
	found, err := n.processes()
	return containers(found), err
}

// Containers are all nodes' by their names, as one look at the host's processes finds
// them.
func (l *Lab) Containers() (map[string][]string, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	running := make(map[string][]string)
	for _, node := range l.Nodes() {
		running[node.Name()] = containers(node.own(all))
	}
	return running, nil
}

func containers(of []process) []string {
	shims := make(map[int]string)
	for _, p := range of {
		if id := shimOf(p.command); id != "" {
			shims[p.pid] = id
		}
	}
	var running []string
	for _, p := range of {
		if id, child := shims[p.parent]; child && shimOf(p.command) == "" {
			running = append(running, id)
			delete(shims, p.parent)
		}
	}
	return running
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
