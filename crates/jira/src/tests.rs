//! What goes over a real socket: each test scripts a site of its own on the loopback interface.

mod access;
mod door;
mod hydration;
mod listings;
mod mutations;
mod reads;
mod recorded;
mod shapes;
mod site;
mod writes;
