//! What serde itself knows about a type that it fills: the fields of a structure, the words of an
//! enumeration. No second list can disagree with it.

use serde::de::{Deserialize, Deserializer, Error, Visitor, value};
use serde::forward_to_deserialize_any;

#[derive(Default)]
struct Probe {
    names: &'static [&'static str],
}

impl<'de> Deserializer<'de> for &mut Probe {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(value::Error::custom("nothing is read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.names = fields;
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.names = variants;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

fn names<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut probe = Probe::default();
    // It always fails: what it was to read is what is wanted.
    let _ = T::deserialize(&mut probe);
    probe.names
}

/// The words of an enumeration.
pub(crate) fn variants<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    names::<T>()
}

/// The fields of a structure.
#[cfg(test)]
pub(super) fn fields<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    names::<T>()
}
