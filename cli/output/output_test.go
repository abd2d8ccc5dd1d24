package output_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/cli/output"
)

type fruit struct {
	ID, Name string
	Ripe     bool
	Origin   struct{ Country string }
}

var fruits = output.List[fruit]{
	ID: func(f fruit) string { return f.ID },
	Columns: []output.Column[fruit]{
		{Name: "ID", Header: "ID", Value: func(f fruit) string { return f.ID[:3] }, Full: func(f fruit) string { return f.ID }},
		{Name: "Name", Header: "NAME", Value: func(f fruit) string { return f.Name }, Shrink: true},
		{Name: "State", Header: "STATE", Value: state, Color: func(f fruit) output.Color { return output.Good }},
		{Name: "Country", Value: func(f fruit) string { return f.Origin.Country }},
	},
}

func state(f fruit) string {
	if f.Ripe {
		return "ripe"
	}
	return "green"
}

func basket() []fruit {
	apple := fruit{ID: "apple1", Name: "An apple with <a long> name", Ripe: true}
	apple.Origin.Country = "at"
	return []fruit{apple, {ID: "pear22", Name: "Pear"}}
}

func show(t *testing.T, width int, options output.Options) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, fruits.Print(&output.Printer{Out: &out, Width: width}, options, basket()))
	return out.String()
}

func TestTablesAlignAndFitTheTerminal(t *testing.T) {
	require.Equal(t, strings.TrimPrefix(`
ID    NAME                          STATE
app   An apple with <a long> name   ripe
pea   Pear                          green
`, "\n"), show(t, 0, output.Options{}))
	for line := range strings.Lines(show(t, 25, output.Options{})) {
		require.LessOrEqual(t, len([]rune(strings.TrimSpace(line))), 25)
	}
	require.Contains(t, show(t, 25, output.Options{}), "…")
	require.Contains(t, show(t, 25, output.Options{NoTrunc: true}), "apple1  An apple with <a long> name")
}

func TestNamesAreCutInTheMiddle(t *testing.T) {
	names := output.List[string]{Columns: []output.Column[string]{
		{Header: "NAME", Value: func(s string) string { return s }, Shrink: true, Tail: true},
	}}
	var out bytes.Buffer
	require.NoError(t, names.Print(&output.Printer{Out: &out, Width: 10}, output.Options{}, []string{"shop_service-one", "shop_service-two", "short"}))
	require.Equal(t, "NAME\nshop…e-one\nshop…e-two\nshort\n", out.String())
	require.Equal(t, "…", output.CutMiddle("long", 1))
	require.Equal(t, "a b", output.CutMiddle("a\nb", 3))
}

func TestWhatCannotFitIsLeftWhole(t *testing.T) {
	for line := range strings.Lines(show(t, 15, output.Options{})) {
		require.NotContains(t, line, "…")
	}
	require.Contains(t, show(t, 15, output.Options{}), "app  An apple with <a long> name  ripe\n")
}

func TestEmptyColumnsAreLeftOutWhereThereIsNoRoom(t *testing.T) {
	empty := output.List[string]{Columns: []output.Column[string]{
		{Header: "PORTS", Value: func(string) string { return "" }},
		{Header: "NAME", Value: func(s string) string { return s }, Shrink: true},
		{Header: "ERROR", Value: func(string) string { return "" }},
	}}
	for width, want := range map[int]string{
		0: "PORTS   NAME        ERROR\n        some name\n", 25: "PORTS   NAME        ERROR\n        some name\n", 20: "NAME\nsome name\n",
	} {
		var out bytes.Buffer
		require.NoError(t, empty.Print(&output.Printer{Out: &out, Width: width}, output.Options{}, []string{"some name"}))
		require.Equal(t, want, out.String(), width)
	}
	var out bytes.Buffer
	require.NoError(t, empty.Print(&output.Printer{Out: &out, Width: 10}, output.Options{}, nil))
	require.Contains(t, out.String(), "PORTS", "an empty list has its columns")
}

func TestColumnsAreSparedBeforeOthersAreCutTooShort(t *testing.T) {
	list := output.List[string]{Columns: []output.Column[string]{
		{Header: "ID", Value: func(string) string { return "0123456789ab" }, Spare: 1},
		{Header: "NAME", Value: func(s string) string { return s }, Shrink: true},
		{Header: "IMAGE", Value: func(string) string { return "an-image:1.0" }, Spare: 2},
	}}
	for width, want := range map[int]string{
		70: "ID             NAME                         IMAGE\n0123456789ab   a name of some twenty-five   an-image:1.0\n",
		42: "ID            NAME            IMAGE\n0123456789ab  a name of som…  an-image:1.0\n",
		39: "ID            NAME\n0123456789ab  a name of some twenty-fi…\n",
		20: "NAME\na name of some twen…\n",
	} {
		var out bytes.Buffer
		require.NoError(t, list.Print(&output.Printer{Out: &out, Width: width}, output.Options{}, []string{"a name of some twenty-five"}))
		require.Equal(t, want, out.String(), width)
	}
	var out bytes.Buffer
	require.NoError(t, list.Print(&output.Printer{Out: &out, Width: 20}, output.Options{NoTrunc: true}, []string{"a name of some twenty-five"}))
	require.Contains(t, out.String(), "0123456789ab  a name of some twenty-five  an-image:1.0")
}

func TestWhatIsToBeReadWholeGoesOnInFurtherLines(t *testing.T) {
	list := output.List[string]{Columns: []output.Column[string]{
		{Header: "NODE", Value: func(string) string { return "n1" }},
		{Header: "FOUND", Value: func(s string) string { return s }, Shrink: true, Wrap: true},
	}}
	var out bytes.Buffer
	require.NoError(t, list.Print(&output.Printer{Out: &out, Width: 20}, output.Options{}, []string{"a firewall between them keeps-it-out-of-here", "fine", ""}))
	require.Equal(t, strings.TrimPrefix(`
NODE  FOUND
n1    a firewall
      between them
      keeps-it-out-o
      f-here
n1    fine
n1
`, "\n"), out.String())
}

func TestFormats(t *testing.T) {
	require.Equal(t, "apple1\npear22\n", show(t, 0, output.Options{Quiet: true}))
	require.Equal(t, `{"Country":"at","ID":"app","Name":"An apple with <a long> name","State":"ripe"}`+"\n"+
		`{"Country":"","ID":"pea","Name":"Pear","State":"green"}`+"\n", show(t, 0, output.Options{Format: "json"}))
	require.Equal(t, "An apple with <a long> name is ripe\nPear is green\n", show(t, 0, output.Options{Format: "{{.Name}} is {{.State}}"}))
	require.Equal(t, "\"at\"\n\"\"\n", show(t, 0, output.Options{Format: "{{json .Country}}"}))
	require.Equal(t, "STATE   COUNTRY\nRIPE    at\nGREEN\n", show(t, 0, output.Options{Format: `table {{upper .State}}\t{{.Country}}`}))
}

func TestAWrongTemplateIsOneClearLine(t *testing.T) {
	for format, want := range map[string]string{
		"{{.Colour}}": "there are .ID .Name .State .Country",
		"{{.Name":     "--format: ",
		"{{nope}}":    `"nope" not defined`,
	} {
		err := fruits.Print(&output.Printer{Out: new(bytes.Buffer)}, output.Options{Format: format}, nil)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestColoursOnlyWhereAllowed(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, fruits.Print(&output.Printer{Out: &out, Color: true}, output.Options{}, basket()))
	require.Contains(t, out.String(), "\x1b[32mripe\x1b[0m")
	require.False(t, output.New(&out, func(string) string { return "" }).Color, "a buffer is no terminal")
}

func TestControlCharactersDoNotReachTheTerminal(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, fruits.Print(&output.Printer{Out: &out}, output.Options{}, []fruit{{ID: "evil11", Name: "a\x1b[2Jb\nc\u009b2Jä"}}))
	require.NotContains(t, out.String(), "\x1b")
	require.NotContains(t, out.String(), "\u009b")
	require.Contains(t, out.String(), "ä")
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
}

func TestInspect(t *testing.T) {
	inspect := func(format string) string {
		var out bytes.Buffer
		require.NoError(t, output.Inspect(&output.Printer{Out: &out}, format, basket()[:1]))
		return out.String()
	}
	require.Contains(t, inspect(""), "[\n    {\n        \"ID\": \"apple1\"")
	require.Equal(t, 1, strings.Count(inspect("json"), "\n"))
	require.Equal(t, "at\n", inspect("{{.Origin.Country}}"))
	require.Equal(t, "{\"Country\":\"at\"}\n", inspect("{{json .Origin}}"))
	err := output.Inspect(&output.Printer{Out: new(bytes.Buffer)}, "{{.Seeds}}", basket())
	require.ErrorContains(t, err, "Seeds")
}

func TestAges(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	require.Equal(t, "3 minutes ago", output.Ago(now, now.Add(-3*time.Minute)))
	require.Equal(t, "Less than a second ago", output.Ago(now, now.Add(time.Hour)), "a clock that is ahead")
	require.Equal(t, "", output.Ago(now, time.Time{}))
	require.Equal(t, "1.5MiB", output.Size(3<<19))
}
