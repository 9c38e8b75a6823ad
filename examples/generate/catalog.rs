//! The products: each family of the vocabulary gives titles and sentences with slots, a product fills the slots once.
//!
//! So the capacity in a title is also the one that its description speaks of. What is written by hand is the sentences;
//! what is drawn is which of them a product gets, in which order, and with which values.

use std::collections::{BTreeMap, HashSet};

use nearline_contract::Attribute;
use serde::Deserialize;

use crate::filter::Attributes;
use crate::{GenerateError, SplitMix64};

/// One file a category; the order here is the order of drawing, and has no other meaning.
const VOCABULARY: [(&str, &str); 16] = [
    ("audio.json", include_str!("vocabulary/audio.json")),
    ("phones.json", include_str!("vocabulary/phones.json")),
    ("laptops.json", include_str!("vocabulary/laptops.json")),
    ("cameras.json", include_str!("vocabulary/cameras.json")),
    ("kitchen.json", include_str!("vocabulary/kitchen.json")),
    ("furniture.json", include_str!("vocabulary/furniture.json")),
    ("lighting.json", include_str!("vocabulary/lighting.json")),
    ("garden.json", include_str!("vocabulary/garden.json")),
    ("tools.json", include_str!("vocabulary/tools.json")),
    ("toys.json", include_str!("vocabulary/toys.json")),
    ("sports.json", include_str!("vocabulary/sports.json")),
    ("outdoor.json", include_str!("vocabulary/outdoor.json")),
    ("shoes.json", include_str!("vocabulary/shoes.json")),
    ("clothing.json", include_str!("vocabulary/clothing.json")),
    ("pets.json", include_str!("vocabulary/pets.json")),
    ("office.json", include_str!("vocabulary/office.json")),
];

/// A description shorter than this, in bytes, gets another sentence.
const DESCRIPTION_MIN_BYTES: usize = 95;
/// Draws that may give a title twice before the vocabulary counts as too small.
const DRAWS_PER_PRODUCT: usize = 50;

/// Shares of the products, in percent: without a brand, a price or tags, and in stock.
const BRANDLESS: usize = 5;
const PRICELESS: usize = 2;
const TAGLESS: usize = 10;
const IN_STOCK: usize = 85;
/// What a product may be labelled with beside its colour, and how many of a hundred are.
const LABELS: [(&str, usize); 6] =
    [("bestseller", 12), ("new", 15), ("sale", 18), ("gift", 16), ("eco", 10), ("last chance", 4)];
/// What a price ends in, in cents.
const PRICE_ENDS: [u32; 5] = [99, 95, 90, 49, 0];

type Slots = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vocabulary {
    category: String,
    products: usize,
    /// Values for all families of the category, unless a family has its own.
    slots: Slots,
    families: Vec<Family>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    /// The shelf that it stands on, in words that shoppers use.
    #[serde(rename = "type")]
    product_type: String,
    /// Least and greatest price, in whole euros.
    price: [u32; 2],
    titles: Vec<String>,
    slots: Slots,
    details: Vec<String>,
}

pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) category: String,
    pub(crate) title: String,
    /// What is embedded: title, product type and description, each as a sentence.
    text: String,
    brand: Option<String>,
    /// In cents.
    price: Option<u32>,
    in_stock: bool,
    tags: Option<Vec<String>>,
}

impl Product {
    /// As the worker knows them.
    pub(crate) fn attributes(&self) -> Attributes {
        let price = self.price.map(|cents| {
            let price = serde_json::Number::from_f64(f64::from(cents) / 100.0);
            Attribute::Number(price.expect("a price is finite"))
        });
        let attributes = [
            ("brand", self.brand.clone().map(Attribute::Text)),
            ("price", price),
            ("in_stock", Some(Attribute::Boolean(self.in_stock))),
            ("tags", self.tags.clone().map(Attribute::Texts)),
        ];
        attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

pub(crate) struct Catalog {
    /// In catalog order: shuffled, so that categories are spread over all rows.
    pub(crate) products: Vec<Product>,
}

impl Catalog {
    pub(crate) fn generate(random: &mut SplitMix64, attributes: &mut SplitMix64) -> Result<Self, GenerateError> {
        let mut products = Vec::new();
        for (file, json) in VOCABULARY {
            let vocabulary: Vocabulary =
                serde_json::from_str(json).map_err(|source| GenerateError::Vocabulary { file, source })?;
            products.append(&mut category(&vocabulary, random, attributes)?);
        }
        random.shuffle(&mut products);
        Ok(Self { products })
    }

    pub(crate) fn to_csv(&self) -> Result<String, GenerateError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["product_id", "category", "text", "title", "brand", "price", "in_stock", "tags"])?;
        for product in &self.products {
            let Product { id, category, title, text, brand, price, in_stock, tags } = product;
            let brand = brand.as_deref().unwrap_or_default();
            let price = price.map(|cents| format!("{}.{:02}", cents / 100, cents % 100)).unwrap_or_default();
            let tags = tags.as_ref().map(|tags| serde_json::Value::from(tags.as_slice()).to_string());
            let in_stock = if *in_stock { "true" } else { "false" };
            writer.write_record([id, category, text, title, brand, &price, in_stock, &tags.unwrap_or_default()])?;
        }
        let bytes = writer.into_inner().expect("a Vec takes every write");
        Ok(String::from_utf8(bytes).expect("made of strings alone"))
    }

    /// The first `count` products, in catalog order, with `words` in their titles.
    pub(crate) fn titled(&self, words: &'static str, count: usize) -> Result<Vec<&str>, GenerateError> {
        let titled = self.products.iter().filter(|product| product.title.contains(words));
        let ids: Vec<&str> = titled.take(count).map(|product| product.id.as_str()).collect();
        if ids.is_empty() { Err(GenerateError::NoSuchTitle(words)) } else { Ok(ids) }
    }
}

fn category(
    vocabulary: &Vocabulary,
    random: &mut SplitMix64,
    attributes: &mut SplitMix64,
) -> Result<Vec<Product>, GenerateError> {
    let Vocabulary { category, products: wanted, families, .. } = vocabulary;
    let mut products = Vec::with_capacity(*wanted);
    let mut titles = HashSet::new();
    for draw in 0..wanted * DRAWS_PER_PRODUCT {
        if products.len() == *wanted {
            break;
        }
        let family = &families[draw % families.len()];
        let mut filler = Filler { vocabulary, family, chosen: BTreeMap::new(), random };
        let template = filler.random.choose(&family.titles);
        let title = title_case(&filler.fill(template)?);
        if !titles.insert(title.clone()) {
            continue;
        }
        let description = filler.description()?;
        let id = format!("{category}-{:04}", products.len() + 1);
        let text = with_articles(&format!("{title}. {}. {description}", family.product_type));
        let (brand, colour) = (filler.chosen.get("brand").copied(), filler.chosen.get("colour").copied());
        products.push(Product {
            id,
            category: category.clone(),
            title,
            text,
            brand: brand.filter(|_| attributes.below(100) >= BRANDLESS).map(str::to_owned),
            price: price(family.price, attributes),
            in_stock: attributes.below(100) < IN_STOCK,
            tags: tags(colour, attributes),
        });
    }
    if products.len() < *wanted {
        return Err(GenerateError::Titles { category: category.clone(), wanted: *wanted, got: products.len() });
    }
    Ok(products)
}

/// A price of the range, in cents: rather one of the lower ones, as the smaller of two draws is.
fn price([least, most]: [u32; 2], random: &mut SplitMix64) -> Option<u32> {
    let range = (most - least + 1) as usize;
    let euros = least + random.below(range).min(random.below(range)) as u32;
    let cents = euros * 100 + random.choose(&PRICE_ENDS);
    (random.below(100) >= PRICELESS).then_some(cents)
}

/// What a product is labelled with, which may be nothing, and its colour.
fn tags(colour: Option<&str>, random: &mut SplitMix64) -> Option<Vec<String>> {
    let labels = LABELS.iter().filter(|(_, percent)| random.below(100) < *percent).map(|(label, _)| *label);
    let tags = labels.chain(colour).map(str::to_owned).collect();
    (random.below(100) >= TAGLESS).then_some(tags)
}

/// Fills the templates of one product; a slot keeps the value that it got first.
struct Filler<'a> {
    vocabulary: &'a Vocabulary,
    family: &'a Family,
    chosen: BTreeMap<&'a str, &'a str>,
    random: &'a mut SplitMix64,
}

impl<'a> Filler<'a> {
    fn description(&mut self) -> Result<String, GenerateError> {
        let mut details: Vec<&'a String> = self.family.details.iter().collect();
        self.random.shuffle(&mut details);
        let mut description = String::new();
        for (count, detail) in details.into_iter().enumerate() {
            if count >= 2 && description.len() >= DESCRIPTION_MIN_BYTES {
                break;
            }
            if count > 0 {
                description.push(' ');
            }
            description.push_str(&self.fill(detail)?);
        }
        Ok(description)
    }

    fn fill(&mut self, template: &'a str) -> Result<String, GenerateError> {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((literal, (slot, after))) =
            rest.split_once('{').and_then(|(literal, tail)| Some((literal, tail.split_once('}')?)))
        {
            filled.push_str(literal);
            filled.push_str(self.value(slot, template)?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&mut self, slot: &'a str, template: &str) -> Result<&'a str, GenerateError> {
        if let Some(value) = self.chosen.get(slot) {
            return Ok(value);
        }
        let values = self.family.slots.get(slot).or_else(|| self.vocabulary.slots.get(slot));
        let Some(values) = values.filter(|values| !values.is_empty()) else {
            let category = self.vocabulary.category.clone();
            return Err(GenerateError::Slot { category, template: template.to_owned(), slot: slot.to_owned() });
        };
        let value = self.random.choose(values);
        self.chosen.insert(slot, value);
        Ok(value)
    }
}

/// Capitals for the words of a title, except for little words, units and words that have a capital already.
fn title_case(title: &str) -> String {
    const LOWER: [&str; 19] = [
        "a", "and", "by", "for", "from", "g", "in", "kg", "m", "m²", "ml", "cm", "mm", "of", "on", "the", "to", "with",
        "x",
    ];
    let word = |word: &str| {
        let bare = word.trim_end_matches(',');
        if LOWER.contains(&bare) || bare.contains('/') || bare.chars().any(char::is_uppercase) {
            return word.to_owned();
        }
        let part = |(index, part): (usize, &str)| {
            let mut letters = part.chars();
            match letters.next() {
                Some(first) if index == 0 || !LOWER.contains(&part) => first.to_uppercase().chain(letters).collect(),
                _ => part.to_owned(),
            }
        };
        word.split('-').enumerate().map(part).collect::<Vec<String>>().join("-")
    };
    title.split(' ').map(word).collect::<Vec<String>>().join(" ")
}

/// "a" becomes "an" before a vowel and before eight, eleven and eighteen: templates cannot know what fills a slot.
fn with_articles(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let mut fixed = String::with_capacity(text.len() + 8);
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            fixed.push(' ');
        }
        fixed.push_str(word);
        let next = words.get(index + 1).copied().unwrap_or_default();
        let number: String = next.chars().take_while(char::is_ascii_digit).collect();
        let says_an = match number.as_str() {
            "" => next.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']) && !next.starts_with("one"),
            "11" | "18" => true,
            other => other.starts_with('8'),
        };
        if matches!(*word, "a" | "A") && says_an {
            fixed.push('n');
        }
    }
    fixed
}
