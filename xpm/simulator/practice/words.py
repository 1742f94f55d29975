"""The words that made-up clients are built of: names, trades, streets and suburbs. Data only.

Suburbs carry their true state and postcode; email domains end in `.example`, which can never be delivered to.
"""
# ruff: noqa: SIM905 - lists of words read better as running text than as a hundred quoted items

from __future__ import annotations

FEMALE = tuple(
    "Olivia Charlotte Amelia Isla Mia Ava Grace Willow Harper Chloe Ella Sophie Ruby Zara Lily Priya Mei Thuy Fatima "
    "Ngaire Kirra Siobhan Margaret Helen Judith Denise Karen Sharon Tracey Michelle Leanne Joanne Rebecca Jessica "
    "Lauren Emily Hannah Georgia Bronwyn Gwen Noor Ananya Linh Xiu Elena Despina Katarina Ingrid Aroha Jedda".split()
)
MALE = tuple(
    "Oliver Noah Jack William Henry Leo Lucas Thomas Hudson Charlie James Ethan Arlo Lachlan Angus Callum Hamish "
    "Bruce Graham Kevin Trevor Wayne Darren Craig Scott Jason Matthew Daniel Joshua Liam Declan Rohan Arjun Minh Wei "
    "Ahmed Yusuf Kostas Stavros Giovanni Marco Tane Jarrah Douglas Kenneth Barry Neville Stuart Malcolm Fraser".split()
)
SURNAMES = tuple(
    "Smith Jones Williams Brown Wilson Taylor Johnson White Martin Anderson Thompson Nguyen Thomas Walker Harris Lee "
    "Ryan Robinson Kelly King Davis Wright Evans Roberts Green Hall Wood Jackson Clarke Patel Khan Scott Baker Young "
    "Mitchell Campbell Stewart Murphy Singh Kaur Chen Wang Li Zhang Tran Pham Le Kim Park Papadopoulos Georgiou Rossi "
    "Russo Bianchi Novak Kowalski Petrov Ivanov Hussein Haddad Abbott Bannister Carmody Drysdale Eastwood Fairweather "
    "Gallagher Hargreaves Illingworth Jamieson Kincaid Langford Macpherson Naismith Oakley Pemberton Quigley Rafferty "
    "Sutherland Trelawny Underwood Vaughan Whitlock Yarrow Zammit Buttigieg Cassar Delaney Ellison Fenwick Greenaway "
    "Hollis Ingram Jardine Kerr Lockhart Maddox Nolan Osborne Prentice Radcliffe Somerville Tindall Upton".split()
)
APOSTROPHE_SURNAMES = ("O'Brien", "O'Connor", "D'Souza", "O\u2019Neill", "D'Angelo")
ACCENTED_PEOPLE = (
    ("Zo\u00eb", "M\u00fcller"), ("Jos\u00e9", "Garc\u00eda"), ("Fran\u00e7oise", "Lef\u00e8vre"),
    ("S\u00f8ren", "\u00d8sterg\u00e5rd"), ("\u0141ukasz", "W\u00f3jcik"), ("Nguy\u1ec5n", "\u0110\u1ee9c"),
)  # fmt: skip
RIGHT_TO_LEFT_PEOPLE = (
    ("\u0645\u062d\u0645\u062f", "\u062d\u0633\u0646"),
    ("\u05d3\u05d5\u05d3", "\u05db\u05d4\u05df"),
)

TRADES = tuple(
    "Plumbing|Electrical|Earthmoving|Landscapes|Dental|Physiotherapy|Consulting|Engineering|Logistics|Bakery|Motors|"
    "Pastoral|Vineyards|Roofing|Joinery|Concreting|Veterinary|Pharmacy|Childcare|Architects|Fisheries|Printing|"
    "Refrigeration|Surveying|Fitness|Catering|Transport|Tiling|Painting|Freight|Nursery|Upholstery".split("|")
)
FANCIES = tuple(
    "Banksia|Wattle|Redgum|Kookaburra|Southern Cross|Coral|Outback|Harbour|Gumtree|Blue Mountain|Spinifex|Jacaranda|"
    "Brolga|Ironbark|Boomerang|Lyrebird|Saltbush|Billabong|Currawong|Mallee|Waratah|Tamarind|Quokka|Bilby".split("|")
)
CLUBS = ("Surf Life Saving Club", "Bowls Club", "Men's Shed", "Community Garden", "Historical Society", "Choir")

# Names that break careless escaping; `{}` takes a surname.
AMPERSAND_ENTITIES = ("{} & Sons Pty Ltd", "{} & Daughters Pty Ltd", "R&D {} Labs Pty Ltd", "{} &amp; Co Pty Ltd")
ANGLE_ENTITIES = (
    "<b>{}</b> Moves Pty Ltd",
    "{} <Holdings> Pty Ltd",
    "{} ]]> Systems Pty Ltd",
    "Less < More {} Pty Ltd",
)
QUOTE_ENTITIES = ('"The {} Corner Store" Trust', 'The {} "Trading" Trust')
EMOJI_ENTITIES = ("{} Happy Paws \U0001f43e Pty Ltd", "{} Pizza \U0001f355 & Co Pty Ltd")

STREETS = tuple(
    "George|King|Queen|Elizabeth|Collins|Hunter|Macquarie|Victoria|Church|Station|High|Railway|Park|Bridge|Beach|"
    "Wattle|Acacia|Kings|Flinders|Darling|Murray|Hay|Adelaide|Rundle|Smith|Cavenagh|Davey|Liverpool".split("|")
)
STREET_KINDS = ("Street", "Road", "Avenue", "Parade", "Crescent", "Lane", "Close")
BUILDINGS = ("Level 3", "Suite 12", "Shop 4", "Unit 7", "C/- The Manager", "Factory 2")

# (suburb, state, postcode, landline area code)
SUBURBS = (
    ("Sydney", "NSW", "2000", "02"), ("Parramatta", "NSW", "2150", "02"), ("Newcastle", "NSW", "2300", "02"),
    ("Wollongong", "NSW", "2500", "02"), ("Dubbo", "NSW", "2830", "02"), ("Byron Bay", "NSW", "2481", "02"),
    ("Orange", "NSW", "2800", "02"), ("Melbourne", "VIC", "3000", "03"), ("Geelong", "VIC", "3220", "03"),
    ("Ballarat", "VIC", "3350", "03"), ("Bendigo", "VIC", "3550", "03"), ("Fitzroy", "VIC", "3065", "03"),
    ("Mildura", "VIC", "3500", "03"), ("Brisbane", "QLD", "4000", "07"), ("Cairns", "QLD", "4870", "07"),
    ("Townsville", "QLD", "4810", "07"), ("Toowoomba", "QLD", "4350", "07"), ("Noosa Heads", "QLD", "4567", "07"),
    ("Adelaide", "SA", "5000", "08"), ("Glenelg", "SA", "5045", "08"), ("Mount Gambier", "SA", "5290", "08"),
    ("Perth", "WA", "6000", "08"), ("Fremantle", "WA", "6160", "08"), ("Bunbury", "WA", "6230", "08"),
    ("Broome", "WA", "6725", "08"), ("Hobart", "TAS", "7000", "03"), ("Launceston", "TAS", "7250", "03"),
    ("Darwin", "NT", "0800", "08"), ("Alice Springs", "NT", "0870", "08"), ("Canberra", "ACT", "2601", "02"),
    ("Belconnen", "ACT", "2617", "02"),
)  # fmt: skip

EMAIL_DOMAINS = (
    "mail.example",
    "post.com.au.example",
    "inbox.net.au.example",
    "letters.example",
    "webmail.com.au.example",
)
INVALID_EMAILS = (
    "{}@", "{} at mail.example", "no-at-sign.example", "{}@@mail.example", "{}@mail..example", "n/a", "TBA",
    "{0}@mail.example; {0}@post.com.au.example", "{}@mail,example",
)  # fmt: skip
