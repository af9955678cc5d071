// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the kernel's type information (BTF), as far as finding a member's offset needs it.
//!
//! The format is described in the kernel's `Documentation/bpf/btf.rst`. Anything unknown, ambiguous or out of range
//! is an error: a wrong offset would be a wrong verdict.

use std::collections::HashMap;

/// Why a member could not be found.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BtfError {
    /// The data is not BTF, or cut off.
    #[error("malformed type information at byte {0}")]
    Malformed(usize),
    /// A kind of type that this reader does not know the size of.
    #[error("type information of an unknown kind {0}")]
    UnknownKind(u32),
    /// There is no such struct, or no such member in it.
    #[error("no such member")]
    NotFound,
    /// There are several, which differ.
    #[error("several definitions that differ")]
    Ambiguous,
    /// The member does not have the size that it is read with, or is a bit field.
    #[error("the member has {found} bytes, not {expected}")]
    Size {
        /// Its size.
        found: u32,
        /// The size that it is read with.
        expected: u32,
    },
}

const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FLOAT: u32 = 16;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;

/// Type information, indexed by type number.
pub(super) struct Btf<'a> {
    data: &'a [u8],
    strings: usize,
    /// Where each type starts; type 0 is void.
    types: Vec<usize>,
    /// The structs of each name.
    structs: HashMap<&'a [u8], Vec<u32>>,
}

/// A type's fixed part.
struct Type {
    name: u32,
    kind: u32,
    count: u32,
    bit_fields: bool,
    /// Size or referenced type, as the kind has it.
    value: u32,
    /// Where the kind's own data starts.
    extra: usize,
}

impl<'a> Btf<'a> {
    /// Reads the header and finds the types.
    pub(super) fn parse(data: &'a [u8]) -> Result<Self, BtfError> {
        if data.get(..2) != Some(&0xeb9f_u16.to_ne_bytes()) {
            return Err(BtfError::Malformed(0));
        }
        let header = u32_at(data, 4)? as usize;
        let start = header + u32_at(data, 8)? as usize;
        let end = start + u32_at(data, 12)? as usize;
        let strings = header + u32_at(data, 16)? as usize;
        let mut btf = Self { data, strings, types: vec![0], structs: HashMap::new() };
        let mut at = start;
        while at < end {
            let ty = btf.type_at(at)?;
            if ty.kind == KIND_STRUCT && ty.name != 0 {
                let number = btf.types.len() as u32;
                btf.structs.entry(btf.string(ty.name)?).or_default().push(number);
            }
            btf.types.push(at);
            at = ty.extra + extra_len(&ty)?;
        }
        Ok(btf)
    }

    /// The byte offset of a struct's member, which must have the given size. A dot descends into a member struct;
    /// anonymous structs and unions are looked into as C does. A bar is between the names that a member has had.
    pub(super) fn offset(&self, of: &str, member: &str, size: u32) -> Result<u64, BtfError> {
        let mut found = None;
        for &number in self.structs.get(of.as_bytes()).map_or(&[][..], Vec::as_slice) {
            let offset = self.member(number, member, size)?;
            if found.is_some_and(|earlier| earlier != offset) {
                return Err(BtfError::Ambiguous);
            }
            found = Some(offset);
        }
        found.ok_or(BtfError::NotFound)
    }

    fn member(&self, number: u32, path: &str, size: u32) -> Result<u64, BtfError> {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let (offset, ty, bits) = self.find(number, name.as_bytes())?.ok_or(BtfError::NotFound)?;
        if let Some(rest) = rest {
            return Ok(offset + self.member(self.resolve(ty)?, rest, size)?);
        }
        let found = if bits { 0 } else { self.size(ty)? };
        if found != size {
            return Err(BtfError::Size { found, expected: size });
        }
        Ok(offset)
    }

    /// Offset, type and whether it is a bit field, of a member of that name in the struct or union.
    fn find(&self, number: u32, name: &[u8]) -> Result<Option<(u64, u32, bool)>, BtfError> {
        let at = self.start(number)?;
        let outer = self.type_at(at)?;
        if outer.kind != KIND_STRUCT && outer.kind != KIND_UNION {
            return Ok(None);
        }
        let mut found = None;
        for index in 0..outer.count as usize {
            let member = outer.extra + index * 12;
            let (member_name, ty, place) =
                (u32_at(self.data, member)?, u32_at(self.data, member + 4)?, u32_at(self.data, member + 8)?);
            let (bit_offset, bit_size) =
                if outer.bit_fields { (place & 0x00ff_ffff, place >> 24) } else { (place, 0) };
            let base = u64::from(bit_offset / 8);
            let here = if member_name == 0 {
                self.find(self.resolve(ty)?, name)?.map(|(offset, ty, bits)| (base + offset, ty, bits))
            } else if is_one_of(self.string(member_name)?, name) {
                Some((base, ty, bit_size != 0 || bit_offset % 8 != 0))
            } else {
                None
            };
            if here.is_some() {
                if found.is_some() {
                    return Err(BtfError::Ambiguous);
                }
                found = here;
            }
        }
        Ok(found)
    }

    /// The type behind typedefs and qualifiers.
    fn resolve(&self, mut number: u32) -> Result<u32, BtfError> {
        for _ in 0..32 {
            let ty = self.type_at(self.start(number)?)?;
            match ty.kind {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => {
                    number = ty.value
                }
                _ => return Ok(number),
            }
        }
        Err(BtfError::Malformed(0))
    }

    /// The size of a type in bytes.
    fn size(&self, number: u32) -> Result<u32, BtfError> {
        let ty = self.type_at(self.start(self.resolve(number)?)?)?;
        match ty.kind {
            KIND_PTR => Ok(8),
            KIND_INT | KIND_STRUCT | KIND_UNION | KIND_ENUM | KIND_FLOAT | KIND_ENUM64 => Ok(ty.value),
            KIND_ARRAY => {
                let element = self.size(u32_at(self.data, ty.extra)?)?;
                Ok(element.saturating_mul(u32_at(self.data, ty.extra + 8)?))
            }
            kind => Err(BtfError::UnknownKind(kind)),
        }
    }

    fn start(&self, number: u32) -> Result<usize, BtfError> {
        match self.types.get(number as usize) {
            Some(&at) if number != 0 => Ok(at),
            _ => Err(BtfError::Malformed(0)),
        }
    }

    fn type_at(&self, at: usize) -> Result<Type, BtfError> {
        let info = u32_at(self.data, at + 4)?;
        Ok(Type {
            name: u32_at(self.data, at)?,
            kind: info >> 24 & 0x1f,
            count: info & 0xffff,
            bit_fields: info >> 31 == 1,
            value: u32_at(self.data, at + 8)?,
            extra: at + 12,
        })
    }

    fn string(&self, offset: u32) -> Result<&'a [u8], BtfError> {
        let at = self.strings + offset as usize;
        let rest = self.data.get(at..).ok_or(BtfError::Malformed(at))?;
        let len = rest.iter().position(|&byte| byte == 0).ok_or(BtfError::Malformed(at))?;
        Ok(&rest[..len])
    }
}

/// Bytes of a type's own data, by kind.
fn extra_len(ty: &Type) -> Result<usize, BtfError> {
    let count = ty.count as usize;
    Ok(match ty.kind {
        KIND_INT | 14 | 17 => 4, // variable, declaration tag
        KIND_ARRAY => 12,
        KIND_STRUCT | KIND_UNION | KIND_ENUM64 | 15 => count * 12, // data section
        KIND_ENUM | 13 => count * 8,                               // function prototype
        // pointer, forward declaration, typedef, qualifiers, function, float, type tag
        KIND_PTR | 7 | KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | 12 | KIND_FLOAT
        | KIND_TYPE_TAG => 0,
        kind => return Err(BtfError::UnknownKind(kind)),
    })
}

fn u32_at(data: &[u8], at: usize) -> Result<u32, BtfError> {
    let bytes =
        data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or(BtfError::Malformed(at))?;
    Ok(u32::from_ne_bytes(bytes))
}

/// Whether a name is one of those between bars.
fn is_one_of(name: &[u8], names: &[u8]) -> bool {
    names.split(|&byte| byte == b'|').any(|one| one == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types under construction: what a kernel would publish, a few bytes of it.
    #[derive(Default)]
    struct Builder {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Builder {
        fn name(&mut self, name: &str) -> u32 {
            if self.strings.is_empty() {
                self.strings.push(0);
            }
            if name.is_empty() {
                return 0;
            }
            let at = self.strings.len() as u32;
            self.strings.extend(name.bytes());
            self.strings.push(0);
            at
        }

        fn words(&mut self, words: &[u32]) {
            self.types.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        }

        fn int(&mut self, name: &str, size: u32) {
            let name = self.name(name);
            self.words(&[name, KIND_INT << 24, size, size * 8]);
        }

        fn composite(&mut self, kind: u32, name: &str, size: u32, members: &[(&str, u32, u32)]) {
            let name = self.name(name);
            self.words(&[name, kind << 24 | members.len() as u32, size]);
            for &(member, ty, bits) in members {
                let member = self.name(member);
                self.words(&[member, ty, bits]);
            }
        }

        fn build(self) -> Vec<u8> {
            let mut data = 0xeb9f_u16.to_ne_bytes().to_vec();
            data.extend([1, 0]);
            let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
            for word in [24, 0, types, types, strings] {
                data.extend(u32::to_ne_bytes(word));
            }
            data.extend(self.types);
            data.extend(self.strings);
            data
        }
    }

    /// `struct inner { u32 a; u32 b; }; struct outer { u32 x; union { struct inner i; u64 y; }; struct inner named; }`
    fn sample() -> Vec<u8> {
        let mut builder = Builder::default();
        builder.int("u32", 4); // 1
        builder.int("u64", 8); // 2
        builder.composite(KIND_STRUCT, "inner", 8, &[("a", 1, 0), ("b", 1, 32)]); // 3
        builder.composite(KIND_UNION, "", 8, &[("i", 3, 0), ("y", 2, 0)]); // 4
        builder.composite(KIND_STRUCT, "outer", 24, &[("x", 1, 0), ("", 4, 64), ("named", 3, 128)]); // 5
        builder.build()
    }

    #[test]
    fn members_are_found_through_anonymous_unions_and_dots() {
        let data = sample();
        let btf = Btf::parse(&data).unwrap();
        assert_eq!(btf.offset("outer", "y", 8), Ok(8));
        assert_eq!(btf.offset("outer", "named.b", 4), Ok(20));
    }

    #[test]
    fn what_is_missing_or_of_another_size_is_refused() {
        let data = sample();
        let btf = Btf::parse(&data).unwrap();
        assert_eq!(btf.offset("outer", "z", 4), Err(BtfError::NotFound));
        assert_eq!(btf.offset("other", "x", 4), Err(BtfError::NotFound));
        assert_eq!(btf.offset("outer", "x", 8), Err(BtfError::Size { found: 4, expected: 8 }));
    }

    #[test]
    fn definitions_that_differ_are_refused() {
        let mut builder = Builder::default();
        builder.int("u32", 4);
        builder.composite(KIND_STRUCT, "twice", 8, &[("a", 1, 0)]);
        builder.composite(KIND_STRUCT, "twice", 8, &[("a", 1, 32)]);
        let data = builder.build();
        assert_eq!(Btf::parse(&data).unwrap().offset("twice", "a", 4), Err(BtfError::Ambiguous));
    }

    #[test]
    fn cut_off_data_is_refused() {
        let data = sample();
        for len in 0..data.len() - 1 {
            if let Ok(btf) = Btf::parse(&data[..len]) {
                // The strings come last: types may still be found, but never at a wrong place.
                assert!(matches!(btf.offset("outer", "y", 8), Ok(8) | Err(_)));
            }
        }
    }
}
