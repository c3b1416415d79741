package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reportLink matches a report: its name, and the address that the name stands for.
var reportLink = regexp.MustCompile(`^\[([\w.-]+/[\w.-]+)#(\d+)\]\(https://github\.com/([\w.-]+/[\w.-]+)/(?:issues|pull)/(\d+)\)$`)

// Each report is named once, with its link, what went wrong, tests that exist, and a result.
func TestFieldReportsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	sections := strings.Split(page(t, "field-reports.md"), "\n## ")[1:]
	require.Len(t, sections, 2)
	seen := map[string]bool{}
	for i, least := range []int{25, 10} {
		rows := 0
		for line := range strings.Lines(sections[i]) {
			if !strings.HasPrefix(line, "| [") {
				continue
			}
			rows++
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
			require.Len(t, cells, 4, line)
			link := reportLink.FindStringSubmatch(strings.TrimSpace(cells[0]))
			require.NotNil(t, link, line)
			require.Equal(t, link[1]+link[2], link[3]+link[4], "the name and the address differ")
			require.False(t, seen[link[0]], "%s is named twice", link[0])
			seen[link[0]] = true
			require.NotEmpty(t, strings.TrimSpace(cells[1]), line)
			tried := testReference.FindAllStringSubmatch(cells[2], -1)
			require.NotEmpty(t, tried, line)
			for _, m := range tried {
				require.True(t, tests(t, m[1])[m[2]], "%s: %s in %s does not exist", link[0], m[2], m[1])
			}
			require.Regexp(t, `\b(holds|held|hold)\b`, cells[3], line)
		}
		require.GreaterOrEqual(t, rows, least, strings.SplitN(sections[i], "\n", 2)[0])
	}
}
