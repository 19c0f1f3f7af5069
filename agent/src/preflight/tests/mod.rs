mod cloud;
mod figures;
mod rules;
mod servers;
mod whole;
