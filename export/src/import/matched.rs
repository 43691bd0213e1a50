//! A checkpoint's tensors beside what its model needs: nothing missing, nothing surplus, nothing misshapen.

use std::collections::BTreeSet;

use anyhow::{bail, ensure};
use glimpse_models::{ModelSpec, Part};

use super::layout::Layout;
use super::positions::Table;
use super::recipe::Recipe;
use super::sizes::find;
use super::store::Store;
use crate::emit::Description;
use crate::emit::inventory::{classifier_inventory, inventory_beside, tables};
use crate::weights::Weights;

/// Past this, the decoder's class token has a place of its own.
const ZERO: f32 = 1e-6;

/// Tensors that fit a model, none of them read yet.
#[derive(Debug)]
pub struct Matched {
    store: Store,
    /// How each of our tensors is made, and the names of those that it is made from.
    recipes: Vec<(Recipe, Vec<String>)>,
    tables: Vec<StoredTable>,
}

/// A table of positions in a checkpoint.
#[derive(Debug)]
struct StoredTable {
    key: &'static str,
    name: String,
    width: usize,
    grid_side: usize,
}

/// What is found while the tensors are gone through.
struct Search<'a> {
    store: &'a Store,
    layout: Layout,
    recipes: Vec<(Recipe, Vec<String>)>,
    tables: Vec<StoredTable>,
    /// Names of tensors that belong to the model, whatever their shape.
    known: BTreeSet<String>,
    faults: Vec<String>,
}

impl Matched {
    /// Finds every tensor of the model of `description` in `store`, whose positions are for `grid_side` patches a side.
    ///
    /// # Errors
    /// Lists every tensor that is missing, surplus or misshapen.
    pub fn new(store: Store, layout: Layout, description: &Description, grid_side: usize) -> anyhow::Result<Self> {
        let Description { spec, classifier, .. } = description;
        let classifier = classifier.as_ref();
        let parts = Part::ALL.into_iter().flat_map(|part| inventory_beside(spec, classifier, part));
        let wanted = parts.chain(classifier.into_iter().flat_map(|classifier| classifier_inventory(spec, classifier)));
        let mut search = Search {
            store: &store,
            layout,
            recipes: Vec::new(),
            tables: Vec::new(),
            known: BTreeSet::new(),
            faults: Vec::new(),
        };
        for (key, shape) in wanted {
            search.add(Recipe::new(&key, &shape, layout, spec.patch_side()));
        }
        for (key, shape) in tables(spec) {
            if layout != Layout::Glimpse {
                search.add_table(key, shape[1], grid_side);
            } else if store.get(key).is_some() {
                search.add(Recipe::new(key, &shape, layout, spec.patch_side()));
            }
        }
        search.add_surplus();
        let Search { recipes, tables, faults, .. } = search;
        if !faults.is_empty() {
            bail!("the weights do not fit the model that their shapes tell of:\n  {}", faults.join("\n  "));
        }
        Ok(Self { store, recipes, tables })
    }

    /// Reads the weights, under our keys.
    ///
    /// # Errors
    /// When a tensor cannot be read, or says what no bundle can hold.
    pub fn weights(&self, spec: &ModelSpec) -> anyhow::Result<Weights> {
        let mut weights = Weights::default();
        for (recipe, names) in &self.recipes {
            let weight = recipe.make(&self.store, names)?;
            weights.insert(recipe.key(), weight.shape, weight.values);
        }
        for table in &self.tables {
            table.put_into(&mut weights, &self.store, spec)?;
        }
        Ok(weights)
    }
}

impl Search<'_> {
    fn add(&mut self, recipe: Recipe) {
        self.known.extend(recipe.candidates(self.store, self.layout));
        match recipe.names(self.store, self.layout) {
            Ok(names) => self.recipes.push((recipe, names)),
            Err(faults) => self.faults.extend(faults),
        }
    }

    fn add_table(&mut self, key: &'static str, width: usize, grid_side: usize) {
        let shape = [1, grid_side * grid_side + 1, width];
        let Some(name) = find(self.store, self.layout, key) else {
            let published = self.layout.names(key, self.store).into_iter().next().unwrap_or_default();
            return self.faults.push(format!("missing: {published} {shape:?}"));
        };
        self.known.insert(name.clone());
        match self.store.get(&name).map(|entry| entry.shape.as_slice()) {
            Some(found) if found != shape => {
                self.faults.push(format!("misshapen: {name} is {found:?}, the model asks for {shape:?}"));
            }
            _ => self.tables.push(StoredTable { key, name, width, grid_side }),
        }
    }

    fn add_surplus(&mut self) {
        for name in self.store.names().filter(|name| !self.known.contains(*name)) {
            let shape = self.store.get(name).map_or(&[][..], |entry| &entry.shape);
            self.faults.push(format!("surplus: {name} {shape:?}"));
        }
    }
}

impl StoredTable {
    /// Adds the table to `weights`, if it is not the fixed one, and its first row to the class token.
    fn put_into(&self, weights: &mut Weights, store: &Store, spec: &ModelSpec) -> anyhow::Result<()> {
        let grid = spec.grid();
        let table = Table::new(store.read(&self.name)?, self.width).stretched(self.grid_side, grid.rows(), self.width);
        if self.key == "pos_embed" {
            let mut class = weights.take("cls_token")?;
            class.values.iter_mut().zip(&table.class).for_each(|(value, place)| *value += place);
            weights.insert("cls_token", class.shape, class.values);
        } else {
            ensure!(
                table.class.iter().all(|value| value.abs() <= ZERO),
                "`{}` gives the class token a place of its own, which no bundle's decoder has",
                self.name
            );
        }
        if !table.is_fixed(&grid, self.width) {
            weights.insert(self.key, vec![grid.len(), self.width], table.places);
        }
        Ok(())
    }
}
