package cli

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) networkInspect() *cli.Command {
	command := prettyInspecter(p, "orc network", "network", func(ctx context.Context, cl *client.Client, ref string) (api.NetworkView, error) {
		return cl.Network(ctx, ref)
	}, p.prettyNetwork)
	command.Description = examples("orc network inspect front", "orc network inspect --pretty front", "orc network inspect front -f '{{.Subnet}}'")
	return command
}

// prettyNetwork tells the main things of a network, a line each, and what is on it
// in tables.
func (p *program) prettyNetwork(n api.NetworkView) error {
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(p.Out, "%-16s%s\n", name+":", text)
		}
	}
	line("ID", n.ID)
	line("Name", n.Name)
	line("Labels", labels(n.Spec.Labels))
	if n.Subnet.IsValid() {
		line("Subnet", n.Subnet.String())
		line("Addresses", fmt.Sprintf("%d, %d of them free", n.Usable, n.Free))
	}
	if n.Spec.Internal {
		line("Internal", "yes: no way out of the cluster")
	}
	if n.Spec.MTU != 0 {
		line("MTU", strconv.Itoa(n.Spec.MTU))
	}
	for _, warning := range n.Warnings {
		line("Warning", warning)
	}
	return p.sections(
		section("Services", networkServices, n.Services),
		section("Containers", networkContainers, n.Containers),
		section("Nodes", networkBlocks, n.Blocks),
	)
}

// section is a table under a heading; there is none without rows.
func section[T any](heading string, list output.List[T], rows []T) func(*program) error {
	return func(p *program) error {
		if len(rows) == 0 {
			return nil
		}
		fmt.Fprintf(p.Out, "\n%s\n", heading)
		return list.Print(p.printer(), output.Options{}, rows)
	}
}

func (p *program) sections(all ...func(*program) error) error {
	for _, show := range all {
		if err := show(p); err != nil {
			return err
		}
	}
	return nil
}

var networkServices = output.List[api.NetworkService]{
	Columns: []output.Column[api.NetworkService]{
		{Name: "Name", Header: "NAME", Value: func(s api.NetworkService) string { return s.Name }, Shrink: true, Tail: true},
		{Name: "Address", Header: "ADDRESS", Value: func(s api.NetworkService) string { return addressText(s.Virtual) }},
		{Name: "Aliases", Header: "ALIASES", Value: func(s api.NetworkService) string { return strings.Join(s.Aliases, ", ") }, Shrink: true},
		{Name: "Ports", Header: "PORTS", Value: func(s api.NetworkService) string { return ports(s.Ports) }, Shrink: true},
	},
}

var networkContainers = output.List[api.NetworkContainer]{
	Columns: []output.Column[api.NetworkContainer]{
		{Name: "Name", Header: "NAME", Value: func(c api.NetworkContainer) string { return c.Name }, Shrink: true, Tail: true},
		{Name: "Container", Header: "CONTAINER", Value: func(c api.NetworkContainer) string { return api.ShortID(c.Container) }, Spare: 1},
		{Name: "Node", Header: "NODE", Value: func(c api.NetworkContainer) string { return c.NodeName }, Shrink: true, Tail: true},
		{Name: "Address", Header: "ADDRESS", Value: func(c api.NetworkContainer) string { return addressText(c.Address) }},
		{Name: "State", Header: "STATE", Value: func(c api.NetworkContainer) string { return upperFirst(string(c.State)) }},
	},
}

var networkBlocks = output.List[api.NetworkBlock]{
	Columns: []output.Column[api.NetworkBlock]{
		{Name: "Node", Header: "NODE", Value: func(b api.NetworkBlock) string { return b.NodeName }, Shrink: true, Tail: true},
		{Name: "Used", Header: "USED", Value: func(b api.NetworkBlock) string { return fmt.Sprintf("%d/%d", b.Used, b.Usable) }},
		{Name: "Blocks", Header: "BLOCKS", Value: func(b api.NetworkBlock) string { return prefixes(b.Prefixes) }, Shrink: true},
	},
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func prefixes(all []netip.Prefix) string {
	texts := make([]string, len(all))
	for i, each := range slices.SortedFunc(slices.Values(all), netip.Prefix.Compare) {
		texts[i] = each.String()
	}
	return strings.Join(texts, ", ")
}
