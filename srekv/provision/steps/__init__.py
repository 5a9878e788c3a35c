"""The steps: one module for each kind of resource, with `observe`, `ensure` and `destroy`."""
