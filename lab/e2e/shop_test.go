package e2e

import (
	"errors"
	"net"
	"testing"

	"github.com/orc-project/orc/lab"
)

// openShop deploys an app whose service every node answers for, and returns where.
func openShop(t *testing.T, lab *lab.Lab) []string {
	t.Helper()
	// A task without a health check would take connections before it listens.
	orc(t, "deploy", "--name", "shop", write(t, "shop.yaml", `services:
  web:
    image: whoami:1.0
    ports: ["8010:80"]
    healthcheck: {test: [CMD, /whoami, check], interval: 500ms}
    deploy: {replicas: 3, update_config: {monitor: 1s, parallelism: 2, order: start-first}}
`))
	waitRunning(t, "shop_web", 3)
	var addresses []string
	for _, node := range lab.Nodes() {
		addresses = append(addresses, net.JoinHostPort(node.Address().String(), "8010"))
	}
	eventually(t, "all nodes answer", func() error {
		for _, address := range addresses {
			if _, _, err := visit(address); err != nil {
				return err
			}
		}
		return nil
	})
	return addresses
}

// drainShop drains a node and waits until the shop has left it.
func drainShop(t *testing.T, node string) {
	t.Helper()
	orc(t, "node", "update", "--availability", "drain", node)
	eventually(t, "the drained node is empty", func() error {
		for _, task := range running(t, "shop_web") {
			if task.NodeName == node {
				return errors.New("web still runs there")
			}
		}
		return nil
	})
}
