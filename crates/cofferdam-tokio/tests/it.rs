//! Sockets: what is read, what is refused, and what waits.

#[cfg(test)]
mod it {
    mod frames;
    mod front_page;
    mod token;
    mod upgrade;
}
