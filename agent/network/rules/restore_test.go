package rules

import (
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/require"
)

// Whatever somebody does to orc's tables is found and mended, and what is theirs is
// left alone.
func TestWhatWasChangedIsRestored(t *testing.T) {
	host, router := newNamespace(t), newNamespace(t)
	table, err := Open(int(host), int(router))
	require.NoError(t, err)
	defer func() { require.NoError(t, table.Close()) }()
	require.NoError(t, table.Apply(crowd(20)))

	conn := foreign(t, router)
	ours := &nftables.Table{Name: tableName, Family: nftables.TableFamilyIPv4}
	theirs := conn.AddTable(&nftables.Table{Name: "theirs", Family: nftables.TableFamilyIPv4})
	conn.AddChain(&nftables.Chain{Name: "forward", Table: theirs})
	conn.AddRule(&nftables.Rule{Table: theirs, Chain: &nftables.Chain{Name: "forward"}, Exprs: drop()})
	require.NoError(t, conn.Flush())

	chain := func(name string) *nftables.Chain { return &nftables.Chain{Name: name, Table: ours} }
	setOf := func(name string) *nftables.Set { return find(routerSets, name).define(ours) }
	rule := func(chain string, i int) *nftables.Rule {
		rules, err := conn.GetRules(ours, &nftables.Chain{Name: chain})
		require.NoError(t, err)
		return rules[i]
	}
	element := func(name string) []nftables.SetElement {
		elements, err := conn.GetSetElements(setOf(name))
		require.NoError(t, err)
		return elements[:1]
	}
	drops := nftables.ChainPolicyDrop
	for what, meddle := range map[string]func(){
		"router: there is no table":                                                          func() { conn.DelTable(ours) },
		"router: chain forward: its rules have changed":                                      func() { require.NoError(t, conn.DelRule(rule("forward", 1))) },
		"router: chain services: its rules have changed":                                     func() { conn.AddRule(&nftables.Rule{Table: ours, Chain: chain("services"), Exprs: accept()}) },
		"router: chain refuse: its rules have changed":                                       func() { r := rule("refuse", 2); r.Exprs = accept(); conn.ReplaceRule(r) },
		"router: chain mesh: its rules have changed":                                         func() { conn.FlushChain(chain("mesh")) },
		"router: chain zones: its rules have changed":                                        func() { conn.FlushChain(chain("zones")) },
		"router: chain guest is not orc's":                                                   func() { conn.AddChain(chain("guest")) },
		"router: chain sources is in another place":                                          func() { c := chain("sources"); c.Policy = &drops; conn.AddChain(c) },
		"router: set guest is not orc's":                                                     func() { s := setOf("host"); s.Name = "guest"; require.NoError(t, conn.AddSet(s, nil)) },
		"router: set targets: 1 elements are missing or changed, 0 are changed or not orc's": func() { require.NoError(t, conn.SetDeleteElements(setOf("targets"), element("targets"))) },
		"router: set allowed: 1 elements are missing or changed, 0 are changed or not orc's": func() { require.NoError(t, conn.SetDeleteElements(setOf("allowed"), element("allowed"))) },
		"router: set host: 0 elements are missing or changed, 1 are changed or not orc's": func() {
			require.NoError(t, conn.SetAddElements(setOf("host"), []nftables.SetElement{{Key: []byte{8, 8, 8, 8}}}))
		},
	} {
		meddle()
		require.NoError(t, conn.Flush(), what)
		found, err := table.Restore()
		require.NoError(t, err, what)
		require.Equal(t, []string{what}, found)
		found, err = table.Restore()
		require.NoError(t, err, what)
		require.Empty(t, found, what)
	}

	// A change that does not fit is made all the same.
	conn.DelTable(ours)
	require.NoError(t, conn.Flush())
	require.NoError(t, table.Apply(crowd(21)))
	found, err := table.Restore()
	require.NoError(t, err)
	require.Empty(t, found)

	require.NoError(t, table.Remove())
	tables, err := conn.ListTables()
	require.NoError(t, err)
	require.Len(t, tables, 1)
	require.Equal(t, "theirs", tables[0].Name)
	rules, err := conn.GetRules(theirs, &nftables.Chain{Name: "forward"})
	require.NoError(t, err)
	require.Len(t, rules, 1)
	require.Equal(t, expr.VerdictDrop, rules[0].Exprs[0].(*expr.Verdict).Kind)
}

// A set that is another one cannot stay: it is defined anew, and with it the rules that
// look into it.
func TestASetThatIsAnotherOneIsDefinedAnew(t *testing.T) {
	host, router := newNamespace(t), newNamespace(t)
	table, err := Open(int(host), int(router))
	require.NoError(t, err)
	defer func() { require.NoError(t, table.Close()) }()
	require.NoError(t, table.Apply(crowd(20)))

	conn := foreign(t, router)
	ours := &nftables.Table{Name: tableName, Family: nftables.TableFamilyIPv4}
	for name := range routerChains(Links{}) {
		conn.FlushChain(&nftables.Chain{Name: name, Table: ours})
	}
	leaving, allowed := find(routerSets, "leaving").define(ours), find(routerSets, "allowed").define(ours)
	conn.DelSet(leaving)
	conn.DelSet(allowed)
	leaving.KeyType = nftables.TypeIPAddr
	require.NoError(t, conn.AddSet(leaving, []nftables.SetElement{{Key: []byte{8, 8, 8, 8}}}))
	require.NoError(t, conn.Flush())

	found, err := table.Restore()
	require.NoError(t, err)
	require.Contains(t, found, "router: set leaving is another one")
	require.Contains(t, found, "router: set allowed is missing")
	require.NotContains(t, found, "router: there is no table")
	found, err = table.Restore()
	require.NoError(t, err)
	require.Empty(t, found)
}
