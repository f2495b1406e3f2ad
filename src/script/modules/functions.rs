//! Adds host functions to their modules, and positions to their failures. Also the form of
//! their documentation.

use rhai::{Module, NativeCallContext};

use crate::script::HostResult;

/// A function of a host module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostFunction {
    /// The module, as in `crypto`; empty for a function outside any module.
    pub(crate) module: &'static str,
    /// Its name, parameters and result, as in `sha256(text: string) -> string`.
    pub(crate) signature: &'static str,
    /// What it does, its limits, and when it fails.
    pub(crate) about: &'static str,
    /// A script that evaluates to `true`.
    pub(crate) example: &'static str,
}

impl HostFunction {
    /// Returns the name alone.
    pub(crate) fn name(&self) -> &'static str {
        self.signature.split('(').next().unwrap_or_default()
    }

    /// Returns the parameters alone, as in `(text: string)`.
    pub(crate) fn parameters(&self) -> &'static str {
        let call = self.signature.split(" -> ").next().unwrap_or_default();
        match call.find('(') {
            Some(at) => call.get(at..).unwrap_or_default(),
            None => "",
        }
    }

    /// Returns the number of parameters.
    pub(crate) fn parameter_count(&self) -> usize {
        match self.parameters() {
            "()" => 0,
            parameters => parameters.split(", ").count(),
        }
    }

    /// Returns the signature with the module, as in `crypto::sha256(text: string) -> string`.
    #[cfg(test)]
    pub(crate) fn call(&self) -> String {
        match self.module {
            "" => self.signature.to_owned(),
            module => format!("{module}::{}", self.signature),
        }
    }
}

/// Returns the documentation of a function.
pub(in crate::script) const fn function(
    module: &'static str,
    signature: &'static str,
    about: &'static str,
    example: &'static str,
) -> HostFunction {
    HostFunction {
        module,
        signature,
        about,
        example,
    }
}

/// A type that can be an argument or a result.
pub(in crate::script) trait Plain: Clone + Send + Sync + 'static {}

impl<T: Clone + Send + Sync + 'static> Plain for T {}

/// The functions of a module.
///
/// When a function of a module fails, Rhai does not report where it was called. These functions add the
/// position of the call.
#[derive(Default)]
pub(in crate::script) struct Functions(Module);

impl Functions {
    /// Adds a function without parameters.
    pub(in crate::script) fn add0<R: Plain>(
        &mut self,
        name: &str,
        function: impl Fn(&NativeCallContext<'_>) -> HostResult<R> + Send + Sync + 'static,
    ) {
        self.0
            .set_native_fn(name, move |cx: NativeCallContext| at(&cx, function(&cx)));
    }

    /// Adds a function with one parameter.
    pub(in crate::script) fn add1<A: Plain, R: Plain>(
        &mut self,
        name: &str,
        function: impl Fn(&NativeCallContext<'_>, A) -> HostResult<R> + Send + Sync + 'static,
    ) {
        self.0
            .set_native_fn(name, move |cx: NativeCallContext, a: A| {
                at(&cx, function(&cx, a))
            });
    }

    /// Adds a function with two parameters.
    pub(in crate::script) fn add2<A: Plain, B: Plain, R: Plain>(
        &mut self,
        name: &str,
        function: impl Fn(&NativeCallContext<'_>, A, B) -> HostResult<R> + Send + Sync + 'static,
    ) {
        self.0
            .set_native_fn(name, move |cx: NativeCallContext, a: A, b: B| {
                at(&cx, function(&cx, a, b))
            });
    }

    /// Adds a function with three parameters.
    pub(in crate::script) fn add3<A: Plain, B: Plain, C: Plain, R: Plain>(
        &mut self,
        name: &str,
        function: impl Fn(&NativeCallContext<'_>, A, B, C) -> HostResult<R> + Send + Sync + 'static,
    ) {
        let placed = move |cx: NativeCallContext, a: A, b: B, c: C| at(&cx, function(&cx, a, b, c));
        self.0.set_native_fn(name, placed);
    }

    /// Returns the module.
    pub(in crate::script) fn into_module(self) -> Module {
        self.0
    }
}

/// Adds the position of the call to a failure in `outcome`.
fn at<R>(cx: &NativeCallContext<'_>, outcome: HostResult<R>) -> HostResult<R> {
    outcome.map_err(|mut error| {
        if error.position().is_none() {
            error.set_position(cx.call_position());
        }
        error
    })
}
