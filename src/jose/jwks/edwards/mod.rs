//! Points of Ed25519, Ed448, X25519 and X448 that are not valid keys: points that are not on the
//! curve, that have a non-canonical encoding, or that have a small order. For a point of small
//! order, anyone can create signatures that verify, and anyone can read what was encrypted to it
//! (RFC 7748 section 6, RFC 8032 section 5).

use std::sync::LazyLock;

use openssl::bn::{BigNum, BigNumContext};
use openssl::error::ErrorStack;

/// The constants needed to check the points of one field.
struct Field {
    /// The prime.
    p: BigNum,
    /// `(p - 1) / 2`: Euler's criterion.
    half: BigNum,
    /// The constant of the Edwards curve.
    d: BigNum,
    /// The `a` of the Edwards curve, `a x^2 + y^2 = 1 + d x^2 y^2`, is -1 and not 1.
    is_twisted: bool,
    /// `y` of the points of small order on the Edwards curve.
    small_edwards: Vec<BigNum>,
    /// `u` of the points of small order on the Montgomery curve and its twist.
    small_montgomery: Vec<BigNum>,
}

static FIELD_25519: LazyLock<Option<Field>> = LazyLock::new(|| {
    let p = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
    let d = "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3";
    let edwards = [
        "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
        "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
    ];
    let montgomery = [
        "00b8495f16056286fdb1329ceb8d09da6ac49ff1fae35616aeb8413b7c7aebe0",
        "57119fd0dd4e22d8868e1c58c45c44045bef839c55b1d0b1248c50a3bc959c5f",
    ];
    Field::new(p, d, true, &edwards, &montgomery).ok()
});

static FIELD_448: LazyLock<Option<Field>> = LazyLock::new(|| {
    let p = concat!(
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffe",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    );
    let d = concat!(
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffe",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffff6756",
    );
    Field::new(p, d, false, &[], &[]).ok()
});

/// Returns what is wrong with `bytes` as a public key of `curve`.
pub(super) fn fault(curve: &str, bytes: &[u8]) -> Option<&'static str> {
    let field = if matches!(curve, "Ed25519" | "X25519") {
        &*FIELD_25519
    } else {
        &*FIELD_448
    };
    let judged = field.as_ref().and_then(|field| match curve {
        "X25519" | "X448" => field.montgomery_fault(bytes, curve == "X25519").ok(),
        _ => field.edwards_fault(bytes).ok(),
    });
    judged.unwrap_or(Some("could not be checked"))
}

const OFF_CURVE: &str = "is not a point on its curve";
const SMALL: &str = "is a point of small order, which gives no security; generate a new key";

impl Field {
    fn new(
        p: &str,
        d: &str,
        is_twisted: bool,
        edwards: &[&str],
        montgomery: &[&str],
    ) -> Result<Self, ErrorStack> {
        let p = BigNum::from_hex_str(p)?;
        let one = BigNum::from_u32(1)?;
        let last = &p - &one;
        let mut half = BigNum::new()?;
        half.rshift1(&last)?;
        let small = |more: &[&str]| -> Result<Vec<BigNum>, ErrorStack> {
            let mut small = vec![BigNum::new()?, BigNum::from_u32(1)?, &p - &one];
            for text in more {
                small.push(BigNum::from_hex_str(text)?);
            }
            Ok(small)
        };
        let (small_edwards, small_montgomery) = (small(edwards)?, small(montgomery)?);
        Ok(Self {
            p,
            half,
            d: BigNum::from_hex_str(d)?,
            is_twisted,
            small_edwards,
            small_montgomery,
        })
    }

    /// RFC 8032 sections 5.1.3 and 5.2.3: the top bit of the last byte is the sign of `x`.
    fn edwards_fault(&self, bytes: &[u8]) -> Result<Option<&'static str>, ErrorStack> {
        let y = without_top_bit(bytes)?;
        if y >= self.p {
            return Ok(Some(OFF_CURVE));
        }
        if self.small_edwards.contains(&y) {
            return Ok(Some(SMALL));
        }
        Ok((!self.has_x(&y)?).then_some(OFF_CURVE))
    }

    /// Whether an `x` exists: `x^2 = (y^2 - 1) / (d y^2 - a)` is a square if the product of the two
    /// is.
    fn has_x(&self, y: &BigNum) -> Result<bool, ErrorStack> {
        let mut work = BigNumContext::new()?;
        let one = BigNum::from_u32(1)?;
        let (mut square, mut scaled, mut product) =
            (BigNum::new()?, BigNum::new()?, BigNum::new()?);
        square.mod_sqr(y, &self.p, &mut work)?;
        scaled.mod_mul(&self.d, &square, &self.p, &mut work)?;
        let divisor = if self.is_twisted {
            &scaled + &one
        } else {
            &scaled - &one
        };
        let dividend = &square - &one;
        product.mod_mul(&dividend, &divisor, &self.p, &mut work)?;
        let mut symbol = BigNum::new()?;
        symbol.mod_exp(&product, &self.half, &self.p, &mut work)?;
        Ok(symbol == one)
    }

    /// RFC 7748 section 5: X25519 has 255 bits, and the top bit is ignored.
    fn montgomery_fault(
        &self,
        bytes: &[u8],
        has_spare_bit: bool,
    ) -> Result<Option<&'static str>, ErrorStack> {
        let u = if has_spare_bit {
            without_top_bit(bytes)?
        } else {
            little_endian(bytes.to_vec())?
        };
        if u >= self.p {
            return Ok(Some(OFF_CURVE));
        }
        Ok(self.small_montgomery.contains(&u).then_some(SMALL))
    }
}

fn without_top_bit(bytes: &[u8]) -> Result<BigNum, ErrorStack> {
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last &= 0x7f;
    }
    little_endian(bytes)
}

fn little_endian(mut bytes: Vec<u8>) -> Result<BigNum, ErrorStack> {
    bytes.reverse();
    BigNum::from_slice(&bytes)
}

#[cfg(test)]
mod tests;
