//! The live switch: a B2BUA with queues, announcements and a SIPREC client.
