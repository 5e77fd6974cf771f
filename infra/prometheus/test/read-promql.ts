import { parser } from "@prometheus-io/lezer-promql";

type SyntaxNode = ReturnType<typeof parser.parse>["topNode"];

export type Selector = {
  metric: string;
  matchers: { label: string; operator: string; value: string }[];
};
export type Query = {
  /** Where the text is no PromQL. */
  faults: string[];
  selectors: Selector[];
  /** Labels that are grouped by, each with the metrics inside of the brackets. */
  groupings: { label: string; metrics: string[] }[];
};

/** What a PromQL expression asks for. */
export function readPromql(text: string): Query {
  const query: Query = { faults: [], selectors: [], groupings: [] };
  const textOf = (node: SyntaxNode) => text.slice(node.from, node.to);
  parser.parse(text).iterate({
    enter({ node }) {
      if (node.type.isError) query.faults.push(`at ${node.from}: ${text.slice(node.from)}`);
      if (node.name === "VectorSelector") query.selectors.push(readSelector(node, textOf));
      if (node.name !== "AggregateExpr") return;
      const metrics = findAll(node, "VectorSelector").map((found) => metricOf(found, textOf));
      const modifier = node.getChild("AggregateModifier");
      const labels = modifier ? findAll(modifier, "LabelName").map(textOf) : [];
      for (const label of labels) query.groupings.push({ label, metrics });
    },
  });
  return query;
}

type TextOf = (node: SyntaxNode) => string;

const metricOf = (node: SyntaxNode, textOf: TextOf) => {
  const name = node.getChild("Identifier");
  return name ? textOf(name) : "";
};

function readSelector(node: SyntaxNode, textOf: TextOf): Selector {
  const matchers = findAll(node, "UnquotedLabelMatcher").map((matcher) => {
    const [label = "", operator = "", value = ""] = ["LabelName", "MatchOp", "StringLiteral"].map(
      (name) => textOf(matcher.getChild(name) ?? matcher),
    );
    return { label, operator, value: value.slice(1, -1) };
  });
  return { metric: metricOf(node, textOf), matchers };
}

function findAll(node: SyntaxNode, name: string): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  node.cursor().iterate((each) => {
    if (each.name === name && each.from >= node.from && each.to <= node.to) found.push(each.node);
  });
  return found;
}
