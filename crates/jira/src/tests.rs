//! What goes over a real socket: each test scripts a site of its own on the loopback interface.

mod access;
mod door;
mod hydration;
mod listings;
mod reads;
mod recorded;
mod site;
mod writes;
