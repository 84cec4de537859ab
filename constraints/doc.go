// Package constraints answers "where not?": its constructors make the rules that keep a group's tasks
// away from nodes. A group lists them as hard rules in berth.GroupSpec.Rules, where all must hold, or, all but tolerations, as
// weighted preferences in berth.GroupSpec.Prefer.
//
//	Rules: []berth.Constraint{
//		constraints.In("zone", "a", "b"),
//		constraints.AtLeast("generation", 7),
//		constraints.GroupBy("zone").Skew(2),
//		constraints.TolerateKey("dedicated"),
//	},
//
// # What there is
//
//	the value of an attribute   Eq NotEq In NotIn Exists NotExists; Less AtMost Greater AtLeast; Match NotMatch Search
//	texts of other kinds        Version SemVer; ContainsAll ContainsAny (lists); InNetwork (addresses)
//	made of others              And Or Not; Everywhere Nowhere
//	how many in one domain      Unique UniqueNode MaxPer MaxPercent MaxShare; GroupBy; Targets
//	beside whom                 Near Apart; Colocate Avoid
//	taints                      Tolerate TolerateKey TolerateOver TolerateUnder TolerateAll
//
// A domain is the nodes with one value of an attribute, berth.NodeID for each node by itself; where domains lie within others, racks
// within zones, berth.Attributes.Nest makes an attribute of both. docs/migrating.md says which of these is which rule of another
// system.
//
// # What a missing attribute does
//
// Every operator has a stated answer for a node that does not have the attribute:
//
//	Eq, In                            refuses     Kubernetes In, Nomad =, Marathon IS
//	NotEq, NotIn                      allows      Kubernetes NotIn, Nomad !=
//	Exists                            refuses
//	NotExists                         allows
//	Less, AtMost, Greater, AtLeast    refuses     Kubernetes Lt and Gt, Nomad <
//	Version, SemVer                   refuses     Nomad version, semver
//	ContainsAll, ContainsAny          refuses     Nomad set_contains_all, set_contains_any
//	InNetwork                         refuses     SwarmKit node.ip
//	Match, Search                     refuses     Marathon LIKE, Nomad regexp
//	NotMatch                          allows      Marathon UNLIKE
//	Unique, MaxPer, GroupBy, Targets  refuses     Marathon, Nomad distinct_property
//	Near, Colocate                    refuses     Kubernetes pod affinity, DC/OS colocate
//	Apart, Avoid                      allows      Kubernetes pod anti-affinity, DC/OS avoid
//
// Not turns the answer of its rule round, And and Or combine the answers of theirs.
//
// # Whose tasks count
//
// Unique, MaxPer, GroupBy and Targets count the group's own tasks, and with Of those that a berth.Selector chooses, by the labels, role or
// name of their groups. Near and Apart, Colocate and Avoid are about such tasks only:
//
//	web := berth.Label("app", "web")
//	...
//	constraints.GroupBy("zone").Of(web)                       // all revisions of the service together
//	constraints.Apart("rack", berth.Label("noise", "high"))  // whoever of the two comes second goes elsewhere
//	constraints.Near("zone", berth.Label("app", "db"))
//
// # Values
//
// An attribute is text or a number, and the two never equal each other: Eq("generation", 7) refuses a
// node whose generation is the text "7". Order is kinder: AtLeast("generation", 7) reads numbers out of texts, as
// Kubernetes does out of labels. Numbers are float64: integers beyond 2^53 lose precision. A node has one value
// per attribute, where Mesos and Aurora also have sets: write those as a text, "8,11,17", for ContainsAny.
//
// # Equal rules
//
// Rules that print alike decide alike. Texts print quoted and numbers bare, attribute names are quoted
// if they hold anything but ASCII letters, digits and "._-/:", and In and NotIn sort their values and drop
// doubles, as do the items and networks of ContainsAll, ContainsAny and InNetwork, so that the order in which a rule is written makes no difference. Rules also compare with ==, except
// [Pattern], which holds a compiled regular expression and equals only its own copies, and what is
// combined of one. [Combination] of a host's own rules compares as those rules do.
//
// # Text
//
// A rule prints as it would be written, and [Parse] reads that. So rules can stand in configuration, and in
// what is written down of a cluster. A host's own rules are read by name: see [Own]. The language is
//
//	rule       = comparison | call | "everywhere" | "nowhere"
//	           | "(" rule "and" rule {"and" rule} ")" | "(" rule "or" rule {"or" rule} ")" | "not" "(" rule ")"
//	comparison = name ("=" | "!=" | "<" | "<=" | ">" | ">=") value | name ["not"] "in" "(" value {"," value} ")"
//	call       = ("exists" | "not-exists" | "unique") "(" name ")"
//	           | ("match" | "not-match" | "search" | "version" | "semver") "(" name "," text ")"
//	           | ("contains-all" | "contains-any" | "in-network") "(" name "," text {"," text} ")"
//	           | "max-per" "(" name "," number ["%" ["of" number]] ")"
//	           | "targets" "(" name "," number "," value number "%" {"," value number "%"} ["," "others" number "%"] ")"
//	           | "group-by" "(" name ["," "skew" number] ["," "min-domains" number] ")"
//	           | ("apart" | "near" | "avoid" | "colocate") "(" name "," selector ")" (colocate with "domains" number after a comma, too)
//	           | "tolerate" "(" ("*" | name | name "=" text | name (">" | "<") number) ["," "effect" effect] ["," "for" time] ")"
//	           | own [ "(" anything ")" ]
//	value      = text | number
//
// where a text is quoted as in Go, a name is one without need of quotes or a text, a number is decimal,
// a selector is what [berth.ParseSelector] reads, an effect the word of a [berth.Effect], and a time one as in Go, 1m30s. Rules that count
// take "of" selector, "over" population and "without stopping" as well, after a comma each; a population is cordoned-too, excluded-too or
// all-nodes, as [berth.Counting] says it.
//
// # Faults
//
// Constructors do not return errors, so that rules can be written in place. A rule with a fault keeps
// it for Err, which berth.NewGroup asks; asked for a verdict all the same, it refuses.
package constraints
