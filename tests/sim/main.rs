//! Box and cloud together in virtual time, over a network that loses, repeats and reorders.
