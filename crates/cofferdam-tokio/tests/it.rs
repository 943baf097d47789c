//! Sockets: what is read, what is refused, and what waits.

#[cfg(test)]
mod it {
    mod cancelled;
    mod cancelled_keys;
    mod cancelled_sockets;
    mod dpop;
    mod frames;
    mod front_page;
    mod keys;
    mod layer;
    mod limits;
    mod raw;
    mod sessions;
    mod token;
    mod upgrade;
    mod world;
}
