mod files;
mod hostile;
mod issuer;
mod keys;
mod requests;
mod time;
mod urls;
