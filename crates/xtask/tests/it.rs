//! What the documents say, held against the workspace: floors, crates, links, the attack table.

#[cfg(test)]
mod it {
    mod ambient;
    mod attacks;
    mod crates;
    mod documents;
    mod layering;
    mod mappings;
    mod workspace;
}
