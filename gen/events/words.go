package gen

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

const wordsFile = "docs/providers.md"

// A condition is what is on record of a call when a word is heard.
type condition struct {
	when string
	view providers.View
}

// conditions are those on which it can depend what a word says; the first is a
// call that was started, of which nothing was heard yet.
func conditions() []condition {
	return []condition{
		{"", providers.View{CallState: events.Started}},
		{"it rang", providers.View{CallState: events.Ringing}},
		{"they talked", providers.View{CallState: events.Talking, Talked: true}},
		{"the agent was with a third party", providers.View{CallState: events.Consulting, Talked: true}},
		{"the last word was COLD_*", providers.View{CallState: events.Consulting, Talked: true, Said: "COLD_AGENT_TRANSFER_STARTED"}},
		{"a machine answered", providers.View{CallState: events.Answered, Machine: true}},
		{"the customer was handed on", providers.View{CallState: events.Ended, Talked: true, Transferred: true}},
		{"it has ended", providers.View{CallState: events.Ended, Talked: true}},
	}
}

// wordsPage prints docs/providers.md.
func wordsPage() []byte {
	var b bytes.Buffer
	fmt.Fprint(&b, `# Providers' words

Printed by `+"`make gen`"+` from the table that each provider brings (`+"`pkg/providers/callstate`"+`); do not edit.

What a provider's word becomes in a call's log, with the reason in brackets. Words are compared without regard to case,
underscores, hyphens and spaces; one that ends in * stands for all that begin so. A word that is not here is kept as
`+"`annotated`"+` (of an agent's status: by its name alone) and moves nothing. What depends on the call's history stands behind
its condition; a reason that the message itself gives (a SIP code, a text) is put in the place of the one printed here.
TCN's words are states of the agent: of a call they speak only while it is dialed and hers.
`)
	for _, p := range kinds.All() {
		for i, v := range p.Words {
			if i == 0 {
				fmt.Fprintf(&b, "\n## `%s`\n", p.Kind)
			}
			fmt.Fprint(&b, "\n| word | says | if |\n|---|---|---|\n")
			vocabulary(&b, v)
		}
	}
	return b.Bytes()
}

// vocabulary prints a table, words that say the same together.
func vocabulary(b *bytes.Buffer, v providers.Vocabulary) {
	var order []string
	alike := map[string][]string{}
	for _, word := range v.Words() {
		says := saysOf(v, word)
		if alike[says] == nil {
			order = append(order, says)
		}
		alike[says] = append(alike[says], code(word))
	}
	for _, says := range order {
		fmt.Fprintf(b, "| %s | %s", strings.Join(alike[says], " "), says)
	}
}

// saysOf is the rest of a word's rows: what it says under no condition, and then
// where that differs.
func saysOf(v providers.Vocabulary, word string) string {
	all := conditions()
	plain := said(v.Said(word, all[0].view))
	var order []string
	when := map[string][]string{}
	for _, c := range all[1:] {
		s := said(v.Said(word, c.view))
		less := c.view
		if less.Said = ""; s == plain || s == "" || c.view.Said != "" && s == said(v.Said(word, less)) {
			continue // not news there, or the same as without the last word
		}
		if when[s] == nil {
			order = append(order, s)
		}
		when[s] = append(when[s], c.when)
	}
	out := cmp.Or(plain, "nothing") + " | |\n"
	for _, s := range order {
		out += "| | " + s + " | " + strings.Join(when[s], "; ") + " |\n"
	}
	return out
}

// said writes observations of a call as the documents do.
func said(seen []providers.Observation) string {
	var out []string
	for _, o := range seen {
		switch {
		case o.Call == "":
		case o.Reason == "":
			out = append(out, code(string(o.Call)))
		default:
			out = append(out, code(string(o.Call))+" ("+o.Reason+")")
		}
	}
	return strings.Join(out, ", ")
}
