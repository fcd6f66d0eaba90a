-- Who owns things and may use them. Roles belong to the server: both sides of a test share it.
CREATE ROLE zoo_owner;
CREATE ROLE zoo_reader;
CREATE ROLE zoo_writer;
CREATE ROLE "Zoo ""odd"" role";
