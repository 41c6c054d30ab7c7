//! What the rules know of the crate's types: identities, structs and signatures, by name.

use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};
use syn::{FnArg, Item, ReturnType, Signature, Type};

/// Types whose values may be taken for each other, beside the identities of the crate.
const PLAIN: [&str; 6] = ["u8", "u32", "u64", "usize", "Duration", "Time"];

/// Facts of all files.
#[derive(Default)]
pub struct Facts {
    identities: BTreeSet<String>,
    /// By the field's name: the lists of fields (name, type) that it is one of.
    fields: BTreeMap<String, Vec<Vec<(String, String)>>>,
    /// By name: the types of the parameters, `self` aside.
    signatures: BTreeMap<String, Vec<Vec<String>>>,
}

impl Facts {
    /// Reads a file.
    pub fn add(&mut self, file: &syn::File) {
        self.visit_file(file);
    }

    /// May one value of this type be taken for another?
    pub fn is_swappable(&self, of: &str) -> bool {
        let of = of.trim_start_matches('&');
        PLAIN.contains(&of) || self.identities.contains(of)
    }

    /// Another field of the same type in a struct with this field: the next one in its order.
    pub fn sibling(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.iter().find_map(|fields| {
            let at = fields.iter().position(|(name, _)| name == field)?;
            let of = &fields[at].1;
            let others = fields[at + 1..].iter().chain(&fields[..at]);
            let mut same = others.filter(|(_, other)| other == of && self.is_swappable(of));
            same.next().map(|(name, _)| name.as_str())
        })
    }

    /// Two parameters of one type, if all functions of this name and arity agree on them.
    pub fn alike(&self, function: &str, arity: usize) -> Option<(usize, usize)> {
        let known = self.signatures.get(function)?.iter().filter(|s| s.len() == arity);
        let mut pairs = known.map(|types| {
            let pairs = (0..arity).flat_map(|a| (a + 1..arity).map(move |b| (a, b)));
            pairs.into_iter().find(|(a, b)| types[*a] == types[*b] && self.is_swappable(&types[*a]))
        });
        let first = pairs.next()??;
        pairs.all(|pair| pair == Some(first)).then_some(first)
    }
}

impl<'ast> Visit<'ast> for Facts {
    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Macro(invoked) = item
            && invoked.mac.path.is_ident("identity")
        {
            let mut last = None;
            for tree in invoked.mac.tokens.clone() {
                match tree {
                    proc_macro2::TokenTree::Ident(name) => last = Some(name.to_string()),
                    proc_macro2::TokenTree::Group(_) => {
                        self.identities.extend(last.take());
                    }
                    _ => last = None,
                }
            }
        }
        visit::visit_item(self, item);
    }

    fn visit_fields_named(&mut self, named: &'ast syn::FieldsNamed) {
        let list: Vec<(String, String)> = named
            .named
            .iter()
            .filter_map(|f| Some((f.ident.as_ref()?.to_string(), type_name(&f.ty)?)))
            .collect();
        for (name, _) in &list {
            self.fields.entry(name.clone()).or_default().push(list.clone());
        }
    }

    fn visit_signature(&mut self, signature: &'ast Signature) {
        let types = parameters(signature).map(|(_, of)| of.unwrap_or_default()).collect();
        self.signatures.entry(signature.ident.to_string()).or_default().push(types);
    }
}

/// Parameters by name, `self` aside; one that is a pattern has the name `_`.
pub fn parameters(signature: &Signature) -> impl Iterator<Item = (String, Option<String>)> + '_ {
    signature.inputs.iter().filter_map(|input| {
        let FnArg::Typed(typed) = input else { return None };
        let name = match &*typed.pat {
            syn::Pat::Ident(name) => name.ident.to_string(),
            _ => "_".to_owned(),
        };
        Some((name, type_name(&typed.ty)))
    })
}

/// A plain name, with `&` before it if it is behind a reference.
pub fn type_name(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            last.arguments.is_empty().then(|| last.ident.to_string())
        }
        Type::Reference(inner) if inner.mutability.is_none() => {
            Some(format!("&{}", type_name(&inner.elem)?))
        }
        _ => None,
    }
}

/// What a function of this type may return at its start.
pub fn early_returns(output: &ReturnType) -> &'static [&'static str] {
    let ReturnType::Type(_, of) = output else { return &["return;"] };
    let Type::Path(path) = &**of else { return &[] };
    match path.path.segments.last().map(|last| last.ident.to_string()).as_deref() {
        Some("Option") => &["return None;"],
        Some("bool") => &["return true;", "return false;"],
        _ => &[],
    }
}
