//! G.711 A-law and µ-law (ITU-T G.711).
