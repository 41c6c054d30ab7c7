//! Finds the sites of a file. Which rules there are says `Rule`; what is left alone says `auto`.

use super::facts::{Facts, early_returns, parameters};
use super::site::{Form, Rule, Site, one_line};
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, BinOp, Block, Expr, Pat, ReturnType, Signature, Stmt};

/// Methods whose closure is a condition.
const PREDICATES: [&str; 11] = [
    "filter",
    "any",
    "all",
    "retain",
    "is_some_and",
    "is_none_or",
    "find",
    "position",
    "take_while",
    "skip_while",
    "partition",
];

/// Traits that are not the protocol: how values are shown, hashed by models and encoded, and what
/// an operator may choose.
const TRAITS: [&str; 8] =
    ["Debug", "Display", "Error", "Hash", "Serialize", "Deserialize", "Visitor", "Default"];

/// The sites of one file; ids are given later.
pub fn find(name: &str, source: &str, facts: &Facts) -> syn::Result<Vec<Site>> {
    let file = syn::parse_file(source)?;
    let mut finder = Finder {
        file: name,
        source,
        facts,
        of: String::new(),
        function: String::new(),
        scope: Vec::new(),
        sites: Vec::new(),
    };
    finder.visit_file(&file);
    Ok(finder.sites)
}

struct Finder<'a> {
    file: &'a str,
    source: &'a str,
    facts: &'a Facts,
    /// The type of the `impl` block.
    of: String,
    function: String,
    /// Parameters of the function, and their types.
    scope: Vec<(String, String)>,
    sites: Vec<Site>,
}

impl Finder<'_> {
    fn text(&self, range: Range<usize>) -> &str {
        &self.source[range]
    }

    fn of(&self, spanned: &impl Spanned) -> &str {
        self.text(spanned.span().byte_range())
    }

    fn add(&mut self, rule: Rule, form: Form, range: Range<usize>, text: String) {
        let original = one_line(self.text(range.clone()));
        let mutated = match form {
            Form::Pattern => "(never matches)".to_owned(),
            Form::Statement => "(left out)".to_owned(),
            _ => one_line(&text),
        };
        let original = if form == Form::Entry { "(start)".to_owned() } else { original };
        let line = 1 + self.source[..range.start].matches('\n').count();
        let (file, function) = (self.file.to_owned(), self.function.clone());
        self.sites.push(Site {
            id: 0,
            file,
            line,
            function,
            rule,
            original,
            mutated,
            nth: 0,
            range,
            form,
            text,
        });
    }

    fn replace(&mut self, rule: Rule, original: &impl Spanned, text: String) {
        self.add(rule, Form::Expression, original.span().byte_range(), text);
    }

    fn function(&mut self, signature: &Signature, attributes: &[Attribute], body: &Block) {
        let name = signature.ident.to_string();
        let fails_to_configure = match &signature.output {
            ReturnType::Type(_, of) => self.of(of).contains("ConfigError"),
            ReturnType::Default => false,
        };
        let skipped = signature.constness.is_some() || fails_to_configure;
        if skipped || is_observer(&name) || is_test(attributes) {
            return;
        }
        let outer = std::mem::take(&mut self.scope);
        let prefix = if self.of.is_empty() { String::new() } else { format!("{}::", self.of) };
        let before = std::mem::replace(&mut self.function, format!("{prefix}{name}"));
        self.scope = parameters(signature).filter_map(|(name, of)| Some((name, of?))).collect();
        let inside = body.span().byte_range();
        let whole = one_line(&self.source[inside.start + 1..inside.end - 1]);
        for early in early_returns(&signature.output) {
            let value = early.trim_start_matches("return").trim_end_matches(';').trim();
            if whole != value {
                let at = inside.start + 1;
                self.add(Rule::EarlyReturn, Form::Entry, at..at, (*early).to_owned());
            }
        }
        if let (ReturnType::Default, Some(Stmt::Expr(last, None))) =
            (&signature.output, body.stmts.last())
        {
            self.dropped(last, last.span().byte_range());
        }
        self.visit_block(body);
        (self.function, self.scope) = (before, outer);
    }

    /// A call or an assignment of which nothing is used.
    fn dropped(&mut self, statement: &Expr, range: Range<usize>) {
        let called = match statement {
            Expr::Call(_) | Expr::MethodCall(_) | Expr::Assign(_) | Expr::Try(_) => true,
            Expr::Binary(binary) => is_assignment(&binary.op),
            _ => false,
        };
        if called && !called_name(statement).is_some_and(|name| is_observer(&name)) {
            self.add(Rule::DroppedStatement, Form::Statement, range, String::new());
        }
    }

    /// A condition: one mutant for all of it, or one for each operand of a chain with patterns.
    fn guard(&mut self, condition: &Expr) {
        match condition {
            Expr::Let(_) => {
                let range = condition.span().byte_range();
                self.add(Rule::Guard, Form::Pattern, range, String::new());
            }
            Expr::Binary(chain) if has_pattern(condition) => {
                self.guard(&chain.left);
                self.guard(&chain.right);
            }
            _ => {
                let text = match condition {
                    Expr::Unary(not) if matches!(not.op, syn::UnOp::Not(_)) => {
                        self.of(&not.expr).to_owned()
                    }
                    _ => format!("!({})", self.of(condition)),
                };
                self.replace(Rule::Guard, condition, text);
            }
        }
    }

    /// What a predicate ends with.
    fn predicate(&mut self, body: &Expr) {
        match body {
            Expr::Block(block) => {
                if let Some(Stmt::Expr(last, None)) = block.block.stmts.last() {
                    self.predicate(last);
                }
            }
            Expr::If(_) | Expr::Match(_) => {}
            other => self.guard(other),
        }
    }

    fn binary(&mut self, whole: &Expr, left: &Expr, op: &BinOp, right: &Expr) {
        let (rule, other) = match op {
            BinOp::Lt(_) => (Rule::Comparison, "<="),
            BinOp::Le(_) => (Rule::Comparison, "<"),
            BinOp::Gt(_) => (Rule::Comparison, ">="),
            BinOp::Ge(_) => (Rule::Comparison, ">"),
            BinOp::Eq(_) => (Rule::Equality, "!="),
            BinOp::Ne(_) => (Rule::Equality, "=="),
            BinOp::And(_) if !has_pattern(whole) => (Rule::Junction, "||"),
            BinOp::Or(_) => (Rule::Junction, "&&"),
            _ => return,
        };
        let text = match rule {
            Rule::Junction => format!("({}) {other} ({})", self.of(left), self.of(right)),
            _ => format!("{} {other} {}", self.of(left), self.of(right)),
        };
        self.replace(rule, whole, text);
        if rule != Rule::Junction {
            self.operand(left);
            self.operand(right);
        }
    }

    /// A variable or a field where a value is used: another one of its type.
    fn operand(&mut self, value: &Expr) {
        match value {
            Expr::Reference(inner) if inner.mutability.is_none() => self.operand(&inner.expr),
            Expr::Unary(inner) if matches!(inner.op, syn::UnOp::Deref(_)) => {
                self.operand(&inner.expr);
            }
            Expr::Path(path) => {
                let Some(name) = path.path.get_ident() else { return };
                if let Some(other) = self.other_variable(&name.to_string()) {
                    self.replace(Rule::WrongOperand, value, other);
                }
            }
            Expr::Field(field) => {
                let syn::Member::Named(name) = &field.member else { return };
                let Some(other) = self.facts.sibling(&name.to_string()) else { return };
                let text = format!("{}.{other}", self.of(&field.base));
                self.replace(Rule::WrongOperand, value, text);
            }
            _ => {}
        }
    }

    fn other_variable(&self, name: &str) -> Option<String> {
        let (_, of) = self.scope.iter().find(|(known, _)| known == name)?;
        let same = |(other, its): &&(String, String)| other != name && other != "_" && its == of;
        let other = self.scope.iter().find(same).filter(|_| self.facts.is_swappable(of))?;
        Some(other.0.clone())
    }

    fn arguments<'a>(
        &mut self,
        whole: &Expr,
        name: &str,
        arguments: impl Iterator<Item = &'a Expr>,
    ) {
        let arguments: Vec<&Expr> = arguments.collect();
        if let Some((a, b)) = self.facts.alike(name, arguments.len()) {
            let all = whole.span().byte_range();
            let (a, b) = (arguments[a].span().byte_range(), arguments[b].span().byte_range());
            let parts = [all.start..a.start, b.clone(), a.end..b.start, a.clone(), b.end..all.end];
            if self.text(a) != self.text(b) {
                let text: String = parts.into_iter().map(|part| self.text(part)).collect();
                self.replace(Rule::SwappedArguments, whole, text);
            }
        }
        arguments.into_iter().for_each(|argument| self.operand(argument));
    }

    /// Each arm does what the next one does, or the one before, whose names it has.
    fn cases(&mut self, arms: &[syn::Arm]) {
        for (at, arm) in arms.iter().enumerate() {
            if matches!(*arm.body, Expr::Macro(_)) {
                continue;
            }
            let names = bound(&arm.pat);
            let near = [arms.get(at + 1), at.checked_sub(1).and_then(|at| arms.get(at))];
            let fits = |other: &&syn::Arm| {
                let body = self.of(&other.body);
                let differs = one_line(body) != one_line(self.of(&arm.body));
                differs
                    && !matches!(*other.body, Expr::Macro(_))
                    && bound(&other.pat)
                        .iter()
                        .all(|name| names.contains(name) || !mentions(body, name))
            };
            if let Some(other) = near.into_iter().flatten().find(fits) {
                let text = self.of(&other.body).to_owned();
                let range = arm.body.span().byte_range();
                self.add(Rule::MissingCase, Form::Arm, range, text);
            }
        }
    }

    fn call_of_method(&mut self, whole: &Expr, call: &syn::ExprMethodCall) {
        let name = call.method.to_string();
        if name == "next" && call.args.is_empty() && !is_iterator(&call.receiver) {
            let receiver = self.of(&call.receiver).to_owned();
            let twice = format!("{}.next()", self.of(whole));
            self.replace(Rule::OffByOne, whole, receiver);
            self.replace(Rule::OffByOne, whole, twice);
        }
        if PREDICATES.contains(&name.as_str())
            && let Some(Expr::Closure(closure)) = call.args.first()
        {
            self.predicate(&closure.body);
        }
        self.arguments(whole, &name, call.args.iter());
    }

    fn literal(&mut self, whole: &Expr, literal: &syn::Lit) {
        match literal {
            syn::Lit::Bool(value) => {
                self.replace(Rule::Constant, whole, (!value.value).to_string());
            }
            syn::Lit::Int(value) => {
                let text = format!("({value} + 1)");
                self.replace(Rule::Constant, whole, text);
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.attrs, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.attrs, &item.block);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        let skipped = of.is_some_and(|last| TRAITS.contains(&last.ident.to_string().as_str()));
        if skipped || is_test(&item.attrs) {
            return;
        }
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        let before = std::mem::replace(&mut self.of, name.unwrap_or_default());
        visit::visit_item_impl(self, item);
        self.of = before;
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    // No code that runs when a mutant may be active.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_item_enum(&mut self, _: &'ast syn::ItemEnum) {}
    fn visit_pat(&mut self, _: &'ast Pat) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        match statement {
            Stmt::Expr(value, Some(_)) => self.dropped(value, statement.span().byte_range()),
            Stmt::Local(local) => {
                let never = local.init.as_ref().filter(|init| init.diverge.is_some());
                let some = matches!(&local.pat, Pat::TupleStruct(p) if p.path.is_ident("Some"));
                if let (Some(init), true) = (never, some) {
                    self.replace(Rule::Guard, &init.expr, "None".to_owned());
                }
            }
            _ => {}
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let Some((_, guard)) = &arm.guard {
            self.guard(guard);
        }
        visit::visit_arm(self, arm);
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if field.colon_token.is_some() {
            self.operand(&field.expr);
            return visit::visit_field_value(self, field);
        }
        let name = self.of(&field.expr).to_owned();
        if let Some(other) = self.other_variable(&name) {
            let range = field.span().byte_range();
            self.add(Rule::WrongOperand, Form::Shorthand, range, other);
        }
    }

    fn visit_expr(&mut self, value: &'ast Expr) {
        if called_name(value).is_some_and(|name| is_observer(&name)) {
            return;
        }
        match value {
            Expr::If(one) => self.guard(&one.cond),
            Expr::While(one) => self.guard(&one.cond),
            Expr::Match(one) => self.cases(&one.arms),
            Expr::Binary(one) => self.binary(value, &one.left, &one.op, &one.right),
            Expr::Call(one) => {
                let name = called_name(value).unwrap_or_default();
                self.arguments(value, &name, one.args.iter());
            }
            Expr::MethodCall(one) => self.call_of_method(value, one),
            // What is written to keeps its place.
            Expr::Assign(one) => {
                self.operand(&one.right);
                return self.visit_expr(&one.right);
            }
            Expr::Reference(one) if one.mutability.is_some() => return,
            Expr::Repeat(one) => return self.visit_expr(&one.expr),
            Expr::Lit(one) => self.literal(value, &one.lit),
            _ => {}
        }
        visit::visit_expr(self, value);
    }
}

/// Code that only reports what happened, or asserts it.
fn is_observer(name: &str) -> bool {
    name.starts_with("observe") || name.starts_with("assert")
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let cfg = attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test");
        cfg || attribute.path().is_ident("test")
    })
}

fn is_assignment(op: &BinOp) -> bool {
    matches!(op, BinOp::AddAssign(_) | BinOp::SubAssign(_) | BinOp::BitOrAssign(_))
        || matches!(op, BinOp::BitAndAssign(_) | BinOp::MulAssign(_) | BinOp::DivAssign(_))
}

fn called_name(value: &Expr) -> Option<String> {
    match value {
        Expr::MethodCall(call) => Some(call.method.to_string()),
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Is an operand of this chain a pattern?
fn has_pattern(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(chain) if matches!(chain.op, BinOp::And(_)) => {
            has_pattern(&chain.left) || has_pattern(&chain.right)
        }
        _ => false,
    }
}

/// `next` of an iterator is no identity's.
fn is_iterator(receiver: &Expr) -> bool {
    let names = ["iter", "keys", "values", "range", "into_iter", "filter", "map", "drain", "rev"];
    called_name(receiver).is_some_and(|name| names.contains(&name.as_str()))
}

/// Is this one of the text's identifiers?
fn mentions(text: &str, name: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == name)
}

/// The names that a pattern binds.
fn bound(pattern: &Pat) -> Vec<String> {
    struct Names(Vec<String>);
    impl<'ast> Visit<'ast> for Names {
        fn visit_pat_ident(&mut self, name: &'ast syn::PatIdent) {
            self.0.push(name.ident.to_string());
            visit::visit_pat_ident(self, name);
        }
    }
    let mut names = Names(Vec::new());
    names.visit_pat(pattern);
    names.0
}
